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

  // Sorting: numbers by their value, all else by its text; a third click restores the order.
  const value = (row, column) => row.cells[column].textContent.trim();
  const number = (text) => {
    const found = text.replace(/,/g, "").match(/^[(≤≥<> ]*([-+−]?\d*\.?\d+(?:e[-+]?\d+)?)/i);
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
