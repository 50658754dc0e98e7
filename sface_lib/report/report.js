// What the page can do beyond being read: fold code, sort tables, enlarge figures, tell where one is.
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, facts) => Object.assign(document.createElement(tag), facts);
  document.documentElement.classList.add("scripted");

  // All code at once.
  const codes = all("details.code");
  const contents = document.querySelector("nav.contents");
  if (codes.length && contents) {
    const button = make("button", { type: "button", textContent: "Show all code" });
    button.addEventListener("click", () => {
      const open = !codes.every((each) => each.open);
      codes.forEach((each) => { each.open = open; });
      button.textContent = open ? "Fold all code" : "Show all code";
    });
    const tools = make("p", { className: "tools" });
    tools.append(button);
    contents.append(tools);
  }
  if (contents && window.innerWidth < 1216) contents.querySelector("details").open = false;

  // The section that is being read.
  const links = new Map(all("nav.contents a").map((link) => [link.hash.slice(1), link]));
  const places = all("main h2[id], main h3[id]").filter((place) => links.has(place.id));
  const tell = () => {
    const passed = places.filter((place) => place.getBoundingClientRect().top < 120);
    const link = links.get((passed.pop() || places[0] || {}).id);
    links.forEach((each) => each.removeAttribute("aria-current"));
    all("nav.contents li.here").forEach((each) => each.classList.remove("here"));
    if (!link) return;
    link.setAttribute("aria-current", "location");
    link.closest("nav.contents > details > ul > li").classList.add("here");
  };
  let waiting = false;
  document.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; tell(); });
  }, { passive: true });
  tell();

  // A threshold to move through a table of scores: their densities, both error rates, and the point on the ROC.
  const draw = (tag, facts, ...inside) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(facts).forEach(([name, fact]) => made.setAttribute(name, fact));
    made.append(...inside);
    return made;
  };
  const WIDTH = 600, HEIGHT = 170, SIDE = 190, FOOT = 26;
  for (const folded of all("details.thresholds")) {
    const texts = all("tbody tr", folded).map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
    const rows = texts.map((row) => row.map((cell) => Number(cell.replace(/,/g, ""))));
    if (rows.length < 2) continue;
    const about = folded.querySelector("caption").textContent;
    const [at, genuine, impostor, fmr, fnmr] = [0, 1, 2, 3, 4].map((column) => rows.map((row) => row[column]));
    const across = (i) => (i / rows.length) * WIDTH;
    const highest = Math.max(...genuine, ...impostor);
    const up = (share) => HEIGHT * (1 - share / highest);
    const steps = (shares, from = 0) => shares.slice(from).map((share, k) =>
      `${k ? "L" : "M"}${across(from + k)} ${up(share)}H${across(from + k + 1)}`).join("");
    const area = (shares, from) => `M${across(from)} ${HEIGHT}${steps(shares, from).replace("M", "L")}V${HEIGHT}Z`;
    const text = (x, y, words, anchor) => draw("text", { x, y, "text-anchor": anchor, class: "axis" }, words);
    const line = draw("line", { y1: 0, y2: HEIGHT, class: "threshold" });
    const accepted = draw("path", { class: "accepted" });
    const densities = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, class: "densities", role: "img" },
      draw("title", {}, `Genuine scores filled, impostor scores outlined, and the threshold: ${about}`),
      draw("path", { d: area(genuine, 0), class: "genuine" }), accepted, draw("path", { d: steps(impostor), class: "impostor" }), line,
      text(0, HEIGHT + 19, at[0].toFixed(2), "start"), text(WIDTH / 2, HEIGHT + 19, "score", "middle"),
      text(WIDTH, HEIGHT + 19, (2 * at[at.length - 1] - at[at.length - 2]).toFixed(2), "end"));
    const [left, top, low] = [26, 6, 1e-4];
    const rocX = (rate) => left + (SIDE - left) * (1 + Math.log10(Math.max(rate / 100, low)) / 4);
    const rocY = (rate) => top + (HEIGHT - top) * (rate / 100);
    const places = fmr.map(rocX);
    const point = draw("circle", { r: 5, class: "threshold" });
    const roc = draw("svg", { viewBox: `0 0 ${SIDE + 8} ${HEIGHT + FOOT}`, class: "roc", role: "img" },
      draw("title", {}, `ROC on a logarithmic axis of FMR, and the threshold's point on it: ${about}`),
      draw("path", { d: `M${left} ${top}V${HEIGHT}H${SIDE}`, class: "impostor" }),
      draw("path", { d: rows.map((_, i) => `${i ? "L" : "M"}${places[i]} ${rocY(fnmr[i])}`).join(""), class: "curve" }), point,
      draw("text", { transform: `translate(${left - 12} ${(top + HEIGHT) / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis" }, "1 − FNMR"),
      text(left - 4, top + 8, "1", "end"), text(left - 4, HEIGHT, "0", "end"), text(left, HEIGHT + 19, "0.01 %", "start"),
      text((left + SIDE) / 2, HEIGHT + 19, "FMR", "middle"), text(SIDE, HEIGHT + 19, "100 %", "end"));
    const equal = fmr.map((rate, i) => Math.abs(rate - fnmr[i]));
    const range = make("input", { type: "range", min: 0, max: rows.length - 1, value: equal.indexOf(Math.min(...equal)) });
    range.setAttribute("aria-label", `Threshold: ${about}`);
    const said = make("output", {});
    said.setAttribute("aria-live", "off"); // The slider itself says its value.
    const label = make("label", { textContent: "Threshold " });
    label.append(range);
    const move = () => {
      const i = Number(range.value);
      line.setAttribute("x1", across(i));
      line.setAttribute("x2", across(i));
      accepted.setAttribute("d", area(genuine, i));
      point.setAttribute("cx", places[i]);
      point.setAttribute("cy", rocY(fnmr[i]));
      said.textContent = `${texts[i][0]}: FMR\u00a0${texts[i][3]}\u00a0%, FNMR\u00a0${texts[i][4]}\u00a0%`;
      range.setAttribute("aria-valuetext", said.textContent);
    };
    const nearest = (place) => places.reduce((best, each, i) => (Math.abs(each - place) < Math.abs(places[best] - place) ? i : best), 0);
    const follow = (picture, span, choose) => {
      const take = (event) => {
        if (!event.buttons) return; // Passing over it leaves the threshold where it is.
        const box = picture.getBoundingClientRect();
        range.value = choose(((event.clientX - box.left) / box.width) * span);
        move();
      };
      picture.addEventListener("pointerdown", take);
      picture.addEventListener("pointermove", take);
    };
    follow(densities, WIDTH, (x) => Math.round((x / WIDTH) * rows.length));
    follow(roc, SIDE + 8, nearest);
    range.addEventListener("input", move);
    const slider = make("div", { className: "slider" });
    if (folded.dataset.colour) slider.style.setProperty("--set", folded.dataset.colour);
    const key = make("p", { className: "key" });
    for (const [kind, words] of [["genuine", "genuine scores"], ["accepted", "those accepted"], ["impostor", "impostor scores"]]) {
      const entry = make("span", {});
      const sample = draw("path", { d: "M1 1H15V7H1Z", class: kind });
      entry.append(draw("svg", { viewBox: "0 0 16 8", "aria-hidden": "true" }, sample), words);
      key.append(entry);
    }
    slider.append(make("p", { className: "about", textContent: about }), key, densities, roc, label, said);
    folded.before(slider);
    move();
  }

  // What lies under the pointer on a drawing: the nearest point of a curve, its name and its values.
  const NEAR = 24;
  const tip = make("div", { className: "tip", hidden: true });
  const mark = make("div", { className: "mark", hidden: true });
  [tip, mark].forEach((each) => each.setAttribute("aria-hidden", "true")); // The table of numbers says the same.
  document.body.append(mark, tip);
  const hide = () => { tip.hidden = mark.hidden = true; };
  document.addEventListener("scroll", hide, { passive: true });
  for (const figure of all("figure[data-points]")) {
    const image = figure.querySelector("img");
    const points = JSON.parse(figure.dataset.points).flatMap(([name, x, y, places]) =>
      places.map(([left, top, across, up]) =>
        ({ left, top, words: [name, ...[[x, across], [y, up]].map((each) => each.filter(Boolean).join(": "))] })));
    image.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      const place = (each) => [box.left + (each.left / 1000) * box.width, box.top + (each.top / 1000) * box.height];
      const far = (each) => Math.hypot(place(each)[0] - event.clientX, place(each)[1] - event.clientY);
      const nearest = points.reduce((best, each) => (far(each) < far(best) ? each : best));
      if (far(nearest) > NEAR) return hide();
      const [x, y] = place(nearest);
      tip.replaceChildren(...nearest.words.map((words, i) => make(i ? "span" : "strong", { textContent: words })));
      tip.hidden = mark.hidden = false;
      Object.assign(mark.style, { left: `${x}px`, top: `${y}px` });
      const left = x + 12 + tip.offsetWidth > document.documentElement.clientWidth ? x - 12 - tip.offsetWidth : x + 12;
      Object.assign(tip.style, { left: `${Math.max(0, left)}px`, top: `${Math.max(0, y - tip.offsetHeight - 8)}px` });
    });
    image.addEventListener("pointerleave", hide);
  }

  // Sorting: numbers by their value, all else by its text; a third click restores the order.
  const value = (row, column) => row.cells[column].textContent.trim();
  const number = (text) => {
    const found = text.replace(/,/g, "").match(/^[(≤≥<>\s]*([-+−]?\d*\.?\d+(?:e[-+]?\d+)?)/i);
    return found ? Number(found[1].replace("−", "-")) : NaN;
  };
  const compare = (first, second) => {
    const [a, b] = [number(first), number(second)];
    if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
    return first.localeCompare(second);
  };
  for (const table of all("table[id]")) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2) continue;
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        if (order) head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const rows = order
          ? [...original].sort((a, b) => sign * compare(value(a, column), value(b, column)))
          : original;
        body.append(...rows);
      });
    });
  }

  // One face of a contact sheet at a time, large.
  for (const figure of all("figure[data-sheet]")) {
    const { side_px: side, gap_px: gap, rows, columns, of_rows: ofRows = "Row", of_columns: ofColumns = "Column" } = JSON.parse(figure.dataset.sheet);
    const image = figure.querySelector("img");
    const canvas = make("canvas", { width: side, height: side });
    canvas.setAttribute("role", "img");
    const which = make("select", {});
    which.append(...rows.map((name, value) => make("option", { value, textContent: name })));
    const where = make("input", { type: "range", min: 0, max: columns.length - 1, value: 0 });
    const said = make("output", {});
    said.setAttribute("aria-live", "off");
    const show = () => {
      const [row, column] = [Number(which.value), Number(where.value)];
      const left = image.naturalWidth - (columns.length - column) * (side + gap) + gap;
      const top = image.naturalHeight - (rows.length - row) * (side + gap) + gap;
      const drawn = canvas.getContext("2d");
      drawn.clearRect(0, 0, side, side);
      drawn.drawImage(image, left, top, side, side, 0, 0, side, side);
      said.textContent = `${rows[row]}, ${columns[column]}`;
      canvas.setAttribute("aria-label", `The face at ${said.textContent}`);
      where.setAttribute("aria-valuetext", said.textContent);
    };
    [which, where].forEach((each) => each.addEventListener("input", show));
    const labelled = [[ofRows, which], [ofColumns, where]].map(([text, control]) => {
      const label = make("label", { textContent: text });
      label.append(control);
      return label;
    });
    const explorer = make("div", { className: "explorer" });
    explorer.append(canvas, ...labelled, said);
    figure.before(explorer);
    image.decode().then(show);
  }

  // A figure at its full size.
  const dialog = make("dialog", {});
  document.body.append(dialog);
  dialog.addEventListener("click", () => dialog.close());
  for (const image of all("figure img")) {
    const own = image.closest("figure");
    const enlarge = () => {
      const figure = make("figure", { className: own.className });
      figure.append(image.cloneNode());
      dialog.replaceChildren(figure);
      dialog.showModal();
    };
    image.addEventListener("click", enlarge);
    const files = own.querySelector(".files");
    if (!files) continue;
    const button = make("button", { type: "button", textContent: "Enlarge" });
    button.addEventListener("click", enlarge);
    files.prepend(button);
  }
})();
