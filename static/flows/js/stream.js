// Streams of events that come back by themselves when they are lost.
export function setMark(kind, text) {
  const mark = document.querySelector(".live");
  if (!mark) return;
  mark.className = `live ${kind}`;
  mark.textContent = text;
}

// A stream of events. `on` holds functions by the names of events, of which `end` is the last one and `alive` comes now and then.
// A stream that fails three times is replaced by asking (`on.ask`) every three seconds until it comes back.
export function openStream(address, on) {
  let source,
    closed = false,
    lostAt = 0,
    lostTimer,
    askTimer,
    heardAt = Date.now(),
    failures = 0;
  const hear = (name) => (event) => {
    heardAt = Date.now();
    if (name === "end") close();
    on[name](event);
  };
  const tellLoss = () => {
    const lost = Date.now() - lostAt,
      since = `paused – showing the state of ${new Date(lostAt).toLocaleTimeString("en-GB")}`;
    if (lost > 3000) setMark("is-lost", lost > 15000 ? since : "reconnecting");
  };
  const open = () => {
    source?.close();
    heardAt = Date.now();
    source = new EventSource(address());
    for (const name of Object.keys(on)) if (name !== "ask") source.addEventListener(name, hear(name));
    source.onopen = () => {
      lostAt = failures = 0;
      clearInterval(lostTimer);
      clearInterval(askTimer);
      setMark("is-on", "live");
    };
    source.onerror = () => {
      if (closed) return;
      if (!lostAt) lostTimer = setInterval(tellLoss, 1000);
      lostAt ||= Date.now();
      failures += 1;
      if (failures === 3) askTimer = setInterval(on.ask, 3000);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => closed || open(), 1000 + 3000 * Math.random());
    };
  };
  const close = () => {
    closed = true;
    source.close();
    clearInterval(lostTimer);
    clearInterval(askTimer);
    clearInterval(watch);
    document.removeEventListener("visibilitychange", show);
  };
  // Browsers allow six connections to one host: a hidden page gives its own back.
  let hiddenTimer;
  const show = () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => source.close(), 30000);
    else if (source.readyState === EventSource.CLOSED) open();
  };
  document.addEventListener("visibilitychange", show);
  // A stream may stall without telling: one that gives no sign of life is opened again.
  const watch = setInterval(() => !document.hidden && Date.now() - heardAt > 12000 && open(), 2000);
  open();
  return close;
}
