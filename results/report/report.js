// What a report does beyond its tables: sorting, the trial that was chosen, and going on while the search runs.
// Tables sort by a click on a heading; without this script they keep the order of the trials.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const text = row.cells[column].textContent.replace(/[,≈]/g, "").trim();
    return text === "–" ? Infinity : text !== "" && !isNaN(text) ? Number(text) : text;
  };
  const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
  const sort = (heading, column) => {
    const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => direction * compare(value(a, column), value(b, column)));
    table.tBodies[0].append(...rows);
  };
  headings.forEach((heading, column) => {
    heading.tabIndex = 0;
    heading.addEventListener("click", () => sort(heading, column));
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(heading, column); }
    });
  });
}

// One trial is chosen at a time; the address keeps which one, so that a reload and a link find it again.
const chosenInAddress = () => {
  const match = /^#trial-(\d+)$/.exec(location.hash);
  return match ? Number(match[1]) : null;
};

const curveTraces = (study, number, chosen) => {
  const dash = chosen ? "solid" : "dot";
  const colour = chosen ? "#2F6DB5" : "#8C9AB2";
  const name = `trial ${number}`;
  const hover = { hovertemplate: "%{x:,} tokens: %{y:.4f}" };
  const traces = (study.curves[number] ?? []).map((curve) => ({
    ...hover, x: curve.tokens, y: curve.losses, mode: "lines", name: `${name}, training (${curve.name})`,
    line: { color: curve.name === "search" ? colour : "#D1550B", dash, width: 1.5 }, opacity: chosen ? 1 : 0.8,
  }));
  const [tokens, losses] = study.rungs[number] ?? [[], []];
  if (losses.length > 0) {
    traces.push({
      ...hover, x: tokens.slice(0, losses.length), y: losses, mode: "markers", name: `${name}, held-out text`,
      marker: { color: colour, size: 8, symbol: chosen ? "circle" : "circle-open" },
    });
  }
  return traces;
};

const drawCurve = (study, number) => {
  const place = document.getElementById("curve");
  const mine = curveTraces(study, number, true);
  place.hidden = mine.length === 0;
  if (mine.length === 0) return;
  const anchor = study.anchor !== null && study.anchor !== number ? curveTraces(study, study.anchor, false) : [];
  const seen = [...anchor, ...mine].flatMap((trace) => trace.y);
  const low = Math.min(...seen), high = Math.min(Math.max(...seen), 2.5 * low), margin = 0.06 * (high - low);
  const axes = {
    xaxis: { ...study.layout.xaxis, title: { text: "tokens" }, rangemode: "tozero" },
    yaxis: { ...study.layout.yaxis, title: { text: "bits per byte" }, range: [low - margin, high + margin] },
  };
  Plotly.react(place, [...anchor, ...mine], { ...study.layout, ...axes }, PICTURE_OPTIONS);
};

const markPoint = (number) => {
  for (const place of document.querySelectorAll("[id^=front-figure][data-picture]")) {
    const marks = place.data.map((trace, index) => (trace.meta === "chosen" ? index : -1)).filter((index) => index >= 0);
    if (marks.length > 0) Plotly.deleteTraces(place, marks);
    for (const trace of [...place.data]) {
      const index = trace.customdata ? [...trace.customdata].indexOf(number) : -1;
      if (index < 0) continue;
      const ring = { symbol: "circle-open", size: 18, color: "#D1550B", line: { width: 2 } };
      Plotly.addTraces(place, {
        x: [trace.x[index]], y: [trace.y[index]], mode: "markers", marker: ring, hoverinfo: "skip", showlegend: false,
        meta: "chosen",
      });
    }
  }
};

const choosing = (study) => {
  const panel = document.getElementById("chosen");
  if (panel === null) return;
  const chooser = document.querySelector(".chooser");
  const field = chooser.querySelector("input");
  let current = study.anchor;
  const show = (number) => {
    if (study.details[number] === undefined) return;
    current = number;
    panel.innerHTML = study.details[number];
    field.value = number;
    document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
    document.getElementById(`trial-${number}`)?.classList.add("chosen");
    markPoint(number);
    drawCurve(study, number);
  };
  const choose = (number) => {
    if (study.details[number] === undefined) return;
    history.replaceState(null, "", `#trial-${number}`);
    show(number);
  };
  chooser.hidden = false;
  field.addEventListener("change", () => choose(Number(field.value)));
  for (const button of chooser.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const place = study.front.indexOf(current) + Number(button.dataset.step);
      choose(study.front[(place + study.front.length) % study.front.length]);
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.trial");
    if (link === null) return;
    event.preventDefault();
    choose(Number(link.textContent));
    panel.closest(".panel").scrollIntoView({ behavior: "smooth", block: "start" });
    panel.focus({ preventScroll: true });
  });
  window.addEventListener("hashchange", () => show(chosenInAddress()));
  for (const place of document.querySelectorAll("[data-picture]")) {
    place.on("plotly_click", (event) => {
      const number = event.points[0].customdata;
      if (number !== undefined) choose(number);
    });
  }
  show(chosenInAddress() ?? study.anchor);
  if (chosenInAddress() !== null && sessionStorage.getItem(PLACE) === null) panel.closest(".panel").scrollIntoView();
};

// While the search runs, the page asks for its newer self when nobody is at it, and stays where it was.
const PLACE = "nas-search report: scroll";
const keepUp = (study) => {
  const scroll = sessionStorage.getItem(PLACE);
  if (scroll !== null) window.scrollTo(0, Number(scroll));
  sessionStorage.removeItem(PLACE);
  if (!study.running) return;
  let touched = Date.now();
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
    window.addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  }
  const age = () => (Date.now() - Date.parse(study.written)) / 1000;
  const note = document.createElement("p");
  note.className = "caption";
  document.querySelector(".notice").after(note);
  setInterval(() => {
    const minutes = Math.floor(age() / 60);
    note.textContent = minutes < 10 ? "This page follows the search."
      : `Written ${minutes} minutes ago: a long training, or a search that was killed.`;
    const patience = age() < 600 ? 12 : 120;
    const idle = Date.now() - touched > 6000 && getSelection().isCollapsed && !document.hidden;
    if (performance.now() > 1000 * patience && idle) {
      sessionStorage.setItem(PLACE, window.scrollY);
      location.reload();
    }
  }, 1000);
};

(async () => {
  const study = JSON.parse(await unpacked("study"));
  try {
    await pictures;
    choosing(study);
  } finally {
    keepUp(study);
  }
})();
