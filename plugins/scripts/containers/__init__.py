"""Running commands in containers of an engine that speaks the Docker API, such as Docker or Podman."""
