// The review desk by keyboard. Letters act only while nobody is typing.
const links = () => [...document.querySelectorAll("[data-queue] a")];
const keys = document.getElementById("keys");
const typing = (target) => target.matches("input:not([type=radio]), select, textarea");

function move(step) {
  const all = links();
  const at = all.findIndex((link) => link === document.activeElement);
  const current = at >= 0 ? at : all.findIndex((link) => link.ariaCurrent === "true");
  all[Math.max(0, Math.min(all.length - 1, current + step))]?.focus();
}

const moves = {
  j: () => move(1),
  k: () => move(-1),
  "?": () => keys.showModal(),
  "/": () => document.getElementById("find").focus(),
};

function act(element) {
  if (element.type === "radio") {
    element.checked = true;
    document.getElementById("f-reason").focus();
  } else element.click();
}

document.addEventListener("keydown", (event) => {
  const form = document.querySelector("[data-decide]");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form) { form.requestSubmit(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open || typing(event.target)) return;
  const element = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!moves[event.key] && !element) return;
  event.preventDefault();
  if (moves[event.key]) moves[event.key](); else act(element);
});

document.querySelector("[data-keys]").addEventListener("click", () => keys.showModal());
