(() => {
  const CLOCK_MS = 1000;
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const text = (id, words) => { // what stays is left alone: a screen reader speaks of what is new
    if ($(id).textContent !== words) $(id).textContent = words;
  };

  function meter(parts, className = "") {
    const made = svg("svg", { class: `meter ${className}`, viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    let x = 0;
    for (const [tone, share] of parts) {
      made.append(svg("rect", { class: tone, x, y: 0, width: 1000 * share, height: 10 }));
      x += 1000 * share;
    }
    return made;
  }

  function stairs(points, seconds, y) {
    return `M${points.map(([x, value]) => `${x} ${y(value)}`).join("H").replace(/H(\S+) (\S+)/g, "H$1V$2")}H${seconds}`;
  }

  function chart(lane, seconds, top) {
    const label = `${lane.name}: ${lane.now_per_s.toFixed(1)} PUTs a second, ${counted(lane.throttled, "request")} throttled`;
    const made = svg("svg", { viewBox: `0 0 ${seconds} 30`, preserveAspectRatio: "none", role: "img", "aria-label": label });
    const y = (value) => 30 - 30 * value / top;
    const bar = (className, x, top, height) => made.append(svg("rect", { class: className, x: x + .08, y: top, width: .84, height }));
    lane.sent.forEach((count, x) => count && bar("sent", x, y(count), 30 - y(count)));
    lane.throttled_each.forEach((count, x) => count && bar("throttled", x, 0, 4));
    if (lane.limits.length) made.append(svg("path", { class: "limit", d: stairs(lane.limits, seconds, y) }));
    if (lane.rates.length) made.append(svg("path", { class: "pace", d: stairs(lane.rates, seconds, y) }));
    made.append(svg("path", { class: "ground", d: `M0 30H${seconds}` }));
    return made;
  }

  function drawLanes(view) {
    const values = (lane) => [...lane.sent, ...lane.rates.map(([, rate]) => rate), ...lane.limits.map(([, limit]) => limit)];
    const top = 1.1 * Math.max(1, ...view.lanes.flatMap(values));
    $("lanes").replaceChildren(...view.lanes.map((lane) => {
      const cell = (words, title, className = "number figure") => {
        const made = element("td", className, words);
        made.dataset.title = title;
        return made;
      };
      const drawn = element("td", "chart");
      drawn.append(chart(lane, view.seconds, top));
      const head = element("th", "", element("b", "", lane.name), element("span", "faint", lane.more));
      head.scope = "row";
      return element("tr", "", head, cell(`${figure(lane.done)} of ${figure(lane.of)}`, "done"),
        cell(`${lane.now_per_s.toFixed(1)}/s`, "now"), cell(lane.limit, "limit", "number"), cell(figure(lane.throttled), "throttled"), drawn);
    }));
  }

  function show(view) {
    document.title = `${figure(view.done)} of ${figure(view.of)}: ${view.job}`;
    text("job", view.job);
    text("state", view.state);
    $("state").className = `pill ${view.tone}`;
    $("who").replaceChildren(...view.who.map((words) => element("span", "", words)));
    text("reason", view.reason);
    text("reason-more", view.reason_more);
    $("reason").parentElement.className = view.tone === "good" ? "" : view.tone;
    text("explained", view.explained);
    text("count", `${figure(view.done)} of ${figure(view.of)}`);
    text("percent", view.percent);
    text("left", view.left);
    text("ends", view.ends);
    $("bar").replaceChildren(meter(view.bar));
    $("keys").replaceChildren(...view.counts.map(([tone, words]) => element("span", tone, words)));
    text("trouble", view.trouble);
    drawLanes(view);
    text("rows-title", view.rows_title);
    $("advice").replaceChildren(...view.advice.map((words) => element("li", "", words)));
    $("rows").replaceChildren(...view.rows.map((row) => element("tr", "", element("td", row.tone, row.sigil),
      element("td", "", element("bdi", "", row.name)), element("td", "faint", row.place), element("td", "", row.why), element("td", "number figure", row.at))));
    $("waves").replaceChildren(...view.waves.map((wave) => element("li", "", element("b", wave.tone, wave.sigil), element("span", "", wave.name, element("small", "", wave.more)))));
    text("budget-text", view.budget);
    $("budget").replaceChildren(meter(view.budget_bar, "thin"));
    text("window-text", view.window);
    text("window-more", view.window_more);
    $("decisions").replaceChildren(...view.decisions.map(([at, words]) => element("tr", "", element("td", "", at), element("td", "", words))));
    for (const [part, held] of [["waves", view.waves.length], ["budget", view.budget], ["window", view.window], ["decisions", view.decisions.length]])
      $(`${part}-part`).hidden = !held;
    $("commands").replaceChildren(...view.commands.flatMap(([what, command]) => [element("dt", "", what), element("dd", "", element("code", "", command))]));
  }

  // How old what is shown is: the last record of the ledger, and the last event of this page's server.

  let shown = null;
  let heardAt = performance.now();
  let connected = false;

  function tick() {
    if (!shown) return;
    const since = (performance.now() - heardAt) / 1000;
    const old = (shown.silent_s ?? 0) + since;
    const lost = !connected && since >= shown.silent_max_s;
    const silent = lost || (shown.silent_s !== null && old >= shown.silent_max_s);
    const seconds = `${Math.floor(old)} s`;
    let live = "";
    if (silent) live = `no word for ${seconds}`;
    else if (!connected) live = `connection lost, tried again; ${seconds} old`;
    else if (shown.silent_s !== null) live = `live, ${seconds} ago`;
    text("live", live);
    $("live").className = silent || !connected ? "bad" : "";
    for (const estimate of document.querySelectorAll(".estimate")) estimate.hidden = silent;
    if (lost) {
      text("reason", "No word from the server of this page");
      text("reason-more", "");
      text("explained", "The run may be well: look with bulk status. It is tried again.");
      $("reason").parentElement.className = "bad";
    }
  }

  const events = new EventSource("events");
  events.onopen = () => { connected = true; };
  events.onerror = () => { connected = false; tick(); };
  events.onmessage = (event) => {
    connected = true;
    heardAt = performance.now();
    shown = JSON.parse(event.data).view;
    show(shown);
    tick();
  };
  setInterval(tick, CLOCK_MS);
})();
