# One image for every role; docker-compose.yml says which process a container runs.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CELESTRA_HOME=/data
WORKDIR /app

COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY . .
RUN CELESTRA_HOME=/tmp/build python -m orchestrator.static_files && rm -rf /tmp/build
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin celestra \
    && install -d -o celestra -g celestra -m 0750 /data

USER 10001:10001
EXPOSE 8080
CMD ["uvicorn", "orchestrator.asgi:application", "--host", "0.0.0.0", "--port", "8080", "--lifespan", "off", "--no-proxy-headers", "--no-server-header", "--timeout-graceful-shutdown", "3"]
