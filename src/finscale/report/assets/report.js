"use strict";
(() => {
  const { figures, palettes } = JSON.parse(document.getElementById("specification").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // "@model/0.5" -> the theme's colour of that role, half transparent
  const paint = (value, palette) => {
    if (Array.isArray(value)) return value.map((item) => paint(item, palette));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, palette)]));
    const match = typeof value === "string" && /^@([a-z0-9]+)(?:\/([\d.]+))?$/.exec(value);
    if (!match) return value;
    const hex = palette[match[1]];
    if (!match[2]) return hex;
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${r},${g},${b},${match[2]})`;
  };

  const config = { displayModeBar: false, responsive: false, doubleClick: false };
  // a width in pixels where the page has none yet: on paper
  const draw = (palette, width = () => undefined) => Promise.all(
    Object.entries(figures).map(([id, { data, layout }]) =>
      Plotly.react(id, paint(data, palette), { ...paint(layout, palette), width: width(id) },
        config)));
  let printing = false;
  const theme = () => (dark.matches ? palettes.dark : palettes.light);

  // one run, or those of every fold with spaces between
  const lead = (runs) => {
    const rows = runs.split(" ").map((run) => document.getElementById(`run-${run}`)).filter(Boolean);
    if (!rows.length) return;
    document.querySelectorAll("tr.found").forEach((old) => old.classList.remove("found"));
    rows[0].closest("details")?.setAttribute("open", "");
    rows.forEach((row) => row.classList.add("found"));
    rows[0].focus({ preventScroll: true });
    rows[0].scrollIntoView({ block: "center", inline: "start", behavior: "instant" });
  };

  draw(theme()).then(() => {
    for (const id of Object.keys(figures))
      document.getElementById(id).on("plotly_click", ({ points }) => {
        const run = points.find((point) => point.customdata)?.customdata;
        if (run) lead(run);
      });
    document.body.dataset.drawn = "yes";
    // a turned phone, a narrowed window: each figure follows its own place
    const resized = new ResizeObserver((entries) => {
      if (printing) return;
      for (const { target } of entries) Plotly.Plots.resize(target);
    });
    for (const id of Object.keys(figures)) resized.observe(document.getElementById(id));
  });
  dark.addEventListener("change", () => draw(theme()));

  // on paper everything is open and on white; A4 and Letter leave some 690 pixels
  let closed = [];
  const onPaper = (id) =>
    document.getElementById(id).closest(".panels").classList.contains("one") ? 680 : 326;
  addEventListener("beforeprint", () => {
    printing = true;
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((item) => item.setAttribute("open", ""));
    draw(palettes.light, onPaper);
  });
  addEventListener("afterprint", () => {
    printing = false;
    closed.forEach((item) => item.removeAttribute("open"));
    draw(theme());
  });

  // a link to something inside a closed part opens it
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    target?.closest("details")?.setAttribute("open", "");
    if (target?.matches("tr")) lead(target.id.replace(/^run-/, ""));
  });

  // meanings: by pointer, by touch and by keyboard
  const tip = document.getElementById("tip");
  const explain = (term) => {
    tip.textContent = term.dataset.meaning;
    tip.hidden = false;
    const at = term.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(12, at.left), innerWidth - own.width - 12);
    const below = at.bottom + 8 + own.height < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - own.height - 8)}px`;
  };
  const hide = () => { tip.hidden = true; };
  for (const term of document.querySelectorAll(".term")) {
    term.addEventListener("mouseenter", () => explain(term));
    term.addEventListener("focus", () => explain(term));
    term.addEventListener("click", () => explain(term));
    term.addEventListener("mouseleave", hide);
    term.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
})();
