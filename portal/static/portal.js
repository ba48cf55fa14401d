// What makes pages easier to use. Everything works without it.
"use strict";

const words = document.body.dataset;
const announcer = document.querySelector("[data-announce]");

function announce(text) {
  announcer.textContent = "";
  setTimeout(() => { announcer.textContent = text; }, 50); // a change that is seen is a change that is read out
}

// ---- copying: a button for a text (data-copy); boxes of text without a button get one

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden" });
  document.body.append(area); // a portal without TLS inside an office has no clipboard
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

function addCopyButtons(root) {
  for (const box of root.querySelectorAll("pre.take")) {
    if (box.parentElement.classList.contains("take-box")) continue;
    const frame = document.createElement("div");
    const button = document.createElement("button");
    frame.className = "take-box";
    Object.assign(button, { type: "button", className: "button secondary small copy", textContent: words.copy });
    Object.assign(button.dataset, { copied: words.copied, failed: words.failed });
    box.replaceWith(frame);
    frame.append(box, button);
  }
  for (const button of root.querySelectorAll("[data-copy]:not(body)")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const face = button.querySelector("span") ?? button;
  const before = face.dataset.before ??= face.textContent;
  let said = button.dataset.copied;
  try {
    await copyText(button.dataset.copy ?? button.parentElement.querySelector("pre").textContent);
  } catch {
    said = button.dataset.failed;
  }
  announce(said);
  face.textContent = said;
  setTimeout(() => { face.textContent = before; }, 2500);
});

// ---- files: drop one anywhere on its field

for (const zone of document.querySelectorAll("[data-drop]")) {
  const input = zone.querySelector("input[type=file]");
  zone.querySelector(".drop-note")?.removeAttribute("hidden");
  const over = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  });
}

// ---- errors: the summary first; its links lead into the fields

document.getElementById("error-summary")?.focus();

// ---- menus of the header: closed by Escape and by looking elsewhere

const menus = [...document.querySelectorAll("details.menu")];
document.addEventListener("click", (event) => {
  for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && menus.find((menu) => menu.open);
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

// ---- paper shows everything

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("main details:not([open])")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });

// ---- keys: / j k ?, and a switch that turns them off

const keys = document.querySelector("[data-keys]");
const use = document.querySelector("[data-keys-use]");
const opener = document.querySelector("[data-keys-open]");
const kept = { get: () => { try { return localStorage.keys; } catch { return "on"; } }, set: (value) => { try { localStorage.keys = value; } catch { /* forbidden */ } } };
use.checked = kept.get() !== "off";
use.addEventListener("change", () => kept.set(use.checked ? "on" : "off"));
opener.closest("[hidden]")?.removeAttribute("hidden");
opener.addEventListener("click", () => keys.showModal());

function walk(step) {
  const stops = [...document.querySelectorAll("main [data-stop], main article.card")];
  const next = stops[Math.max(stops.indexOf(document.activeElement?.closest("[data-stop], article.card")) + step, 0)];
  if (!next) return;
  next.tabIndex = -1;
  next.focus();
}

const actions = {
  "/": () => document.querySelector("main input[type=search], main [data-filter]")?.focus(),
  j: () => walk(1),
  k: () => walk(-1),
  "?": () => keys.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (!use.checked || event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
  if (event.target.closest("input, textarea, select, [contenteditable]") || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});

// ---- live pages: say when the events stop, and put the end into the title

const strip = document.querySelector("[data-connection]");
if (strip) {
  let lost;
  const say = (text) => { clearTimeout(lost); strip.textContent = text; };
  document.addEventListener("htmx:sse:error", () => say(strip.dataset.lost));
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt) lost ??= setTimeout(say, 1500, strip.dataset.lost);
  });
  document.addEventListener("htmx:sse:after:connection", () => { say(""); lost = undefined; });
  document.addEventListener("htmx:sse:close", () => {
    say("");
    const title = document.querySelector("[data-title]")?.dataset.title;
    if (title) document.title = title;
  });
  document.addEventListener("htmx:after:swap", () => addCopyButtons(document));
}

addCopyButtons(document);
