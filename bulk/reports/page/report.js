(() => {
  const CHUNK = 100; // services drawn at once: a screenful or two
  const CHIPS = 4; // mappings named on a service's own line
  const FEW = 30; // so many services stand open from the start

  const { head, rows } = JSON.parse($("data").textContent);
  const services = rows.map((cells) => {
    const [row, place, target, id, name, result, update, kept, removed, added, settings, why,
      code, http, request, attempts, ms, turn, texts, moved] = cells;
    const [sigil, phrase, tone] = head.results[result];
    return {
      row, place, target: head.targets[target], id, name, result, update, settings, why, code, http, request,
      attempts, ms, turn, texts, moved, sigil, phrase, tone,
      kept: mappings(kept), removed: mappings(removed), added: mappings(added),
    };
  });

  function mappings(text) {
    return text ? text.split(" ") : [];
  }

  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  // What is shown, and in which order

  const URGENCY = { bad: 1, change: 2, good: 2, faint: 3 };
  const urgency = (service) => (service.result.startsWith("refuse") ? 0 : URGENCY[service.tone]);
  const ORDERS = {
    "needs attention first": (a, b) => urgency(a) - urgency(b),
    "order of the plan": () => 0,
    "service name": (a, b) => compare(a.name, b.name),
    "service id": (a, b) => compare(a.id, b.id),
    "most removed mappings": (a, b) => b.removed.length - a.removed.length,
    ...(head.ran ? { "slowest reply": (a, b) => b.ms - a.ms } : {}),
  };
  const hidden = new Set();
  let everything = "some"; // "all" and "none" after the buttons
  let chosen = [];
  let drawn = 0;

  function haystack(service) {
    service.haystack ??= [service.name, service.id, service.place, service.target, service.phrase, service.why,
      service.code, service.request, ...service.texts, ...service.removed, ...service.added, ...service.kept,
      ...service.settings.flat()].join("\n").toLowerCase();
    return service.haystack;
  }

  function choose() {
    const words = $("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = services
      .filter((service) => !hidden.has(service.result) && words.every((word) => haystack(service).includes(word)))
      .sort(ORDERS[$("order").value]);
    $("list").replaceChildren();
    drawn = 0;
    drawMore();
    const mapped = chosen.length === services.length ? "" : ` of ${figure(services.length)}`;
    $("shown").textContent = `${figure(chosen.length)}${mapped} ${services.length === 1 ? "service" : "services"}`;
  }

  function drawMore(count = CHUNK) {
    const next = chosen.slice(drawn, drawn + count);
    drawn += next.length;
    $("list").append(...next.map(drawService));
  }

  // One service

  function isOpen(service) {
    if (everything !== "some") return everything === "all";
    return service.tone === "bad" || (services.length <= FEW && service.tone !== "faint");
  }

  function drawService(service) {
    const summary = element("summary", "",
      element("span", `sigil ${service.tone}`, service.sigil),
      element("span", service.tone, service.phrase),
      element("bdi", "name", service.name || "(no name)"),
      element("code", "id data", service.id),
      delta(service));
    const made = element("details", `service is-${service.tone}`, summary);
    made.dataset.row = service.row;
    made.addEventListener("toggle", () => fill(made, service));
    if (isOpen(service)) {
      fill(made, service);
      made.open = true;
    }
    return made;
  }

  function delta(service) {
    const made = element("span", "delta");
    if (service.tone === "bad") made.append(element("span", "reason data", service.why));
    if (!service.update) return made;
    const chips = (tag, sigil, all) => {
      for (const mapping of all.slice(0, CHIPS)) made.append(element(tag, "", `${sigil}${mapping}`));
      if (all.length > CHIPS) made.append(element(tag, "", `${sigil}${all.length - CHIPS} more`));
    };
    chips("del", "−", service.removed);
    chips("ins", "+", service.added);
    for (const [field] of service.settings) made.append(element("span", "change", `~${field}`));
    if (service.kept.length) made.append(element("span", "faint", `=${service.kept.length} kept`));
    return made;
  }

  function fill(details, service) {
    if (details.dataset.filled) return;
    details.dataset.filled = "yes";
    const body = element("div", "body");
    if (service.why) body.append(element("p", "why data", service.why));
    const lines = portLines(service);
    if (lines.length) body.append(table(service, lines, "Before", AFTER[service.result] ?? "Asked, not applied"));
    if (service.moved.length) {
      const found = service.moved.map(([field, expected, has]) => ["~", field, expected, has]);
      body.append(table(service, found, service.result === "drifted" ? "Planned on" : "Asked", "Found"));
    }
    body.append(facts(service));
    details.append(body);
  }

  const AFTER = { update: "After", keep: "After", applied: "After", already: "After", in_doubt: "Asked, in doubt",
    refuse: "Asked, refused", conflict: "Asked" };

  // A mapping whose client port stays and whose server port moves is one line, not two.
  function portLines(service) {
    const dialled = (mapping) => mapping.replace(/:\d+/, "");
    const added = new Map(service.added.map((mapping) => [dialled(mapping), mapping]));
    const lines = service.kept.map((mapping) => ["=", "port", mapping, mapping]);
    for (const mapping of service.removed) {
      const now = added.get(dialled(mapping));
      if (now) added.delete(dialled(mapping));
      lines.push([now ? "~" : "−", "port", mapping, now ?? ""]);
    }
    for (const mapping of added.values()) lines.push(["+", "port", "", mapping]);
    lines.sort((a, b) => parseInt(a[2] || a[3], 10) - parseInt(b[2] || b[3], 10));
    return [...lines, ...service.settings.map(([field, before, after]) => ["~", field, before, after])];
  }

  function table(service, lines, before, after) {
    const heading = (text) => {
      const made = element("th", "", text);
      made.scope = "col";
      return made;
    };
    const cell = (sigil, text, changed) => {
      if (!text) return element("td", "none", sigil === "~" ? "(empty)" : "none");
      return element("td", `mapping data ${sigil === "=" ? "" : changed}`, text);
    };
    const body = lines.map(([sigil, field, old, now]) => element("tr", "",
      element("td", `sigil ${{ "−": "bad", "+": "good", "~": "change" }[sigil] ?? "faint"}`, sigil),
      element("td", "", field), cell(sigil, old, "gone"), cell(sigil, now, "new")));
    const corner = heading("");
    corner.ariaLabel = "Change";
    return element("table", "ports",
      element("thead", "", element("tr", "", corner, heading("Field"), heading(before), heading(after))),
      element("tbody", "", ...body));
  }

  function facts(service) {
    const made = element("dl", "facts");
    const fact = (title, text) => {
      if (text) made.append(element("div", "", element("dt", "", title), element("dd", "data", String(text))));
    };
    fact("Job file", `${service.place}, row ${service.row}`);
    fact("Target", service.target);
    fact("Order", service.turn);
    head.texts.forEach((title, index) => fact(title, service.texts[index]));
    fact("Code", [service.http, service.code].filter(Boolean).join(" "));
    fact("Request id", service.request);
    fact("Attempts", service.attempts);
    fact("Reply after", service.http ? `${figure(service.ms)} ms` : "");
    return made;
  }

  // The tools

  function drawTools() {
    for (const order of Object.keys(ORDERS)) $("order").append(new Option(order));
    for (const [result, [sigil, phrase]] of Object.entries(head.results)) {
      const count = services.filter((service) => service.result === result).length;
      if (!count) continue;
      const button = element("button", "", `${sigil} ${phrase} ${figure(count)}`);
      button.type = "button";
      button.value = result;
      button.ariaPressed = "true";
      button.addEventListener("click", () => {
        const wanted = hidden.has(result);
        if (wanted) hidden.delete(result);
        else hidden.add(result);
        button.ariaPressed = String(wanted);
        choose();
      });
      $("results").append(button);
    }
    $("tools").hidden = false;
  }

  function openAll(how) {
    everything = how;
    choose();
  }

  drawTools();
  $("words").addEventListener("input", choose);
  $("order").addEventListener("change", choose);
  $("expand").addEventListener("click", () => openAll("all"));
  $("collapse").addEventListener("click", () => openAll("none"));
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("scroll", () => {
    if ($("list").getBoundingClientRect().bottom < 2 * innerHeight) drawMore();
  }, { passive: true });

  // Paper has one line for each service that the screen would show after scrolling to the end; what needs a
  // person keeps its reason.
  addEventListener("beforeprint", () => {
    drawMore(chosen.length);
    for (const details of $("list").children) {
      details.open = details.classList.contains("is-bad");
      if (details.open) details.dispatchEvent(new Event("toggle")); // the browser's own comes too late for the paper
    }
  });
  choose();
})();
