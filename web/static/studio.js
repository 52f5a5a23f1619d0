// Writing a note: what was typed is kept on this device until it is saved, pictures are shown before they are sent.
import { bar } from "./words.js";

const form = document.querySelector("form[data-draft]");
const key = `offshelf.draft.${form.dataset.draft}`;
const names = ["title", "text", "topics"];
const field = (name) => form.elements[name];

function keep() {
  localStorage.setItem(key, JSON.stringify(Object.fromEntries(names.map((name) => [name, field(name).value]))));
}

function restore() {
  const kept = JSON.parse(localStorage.getItem(key) || "null");
  if (!kept || names.every((name) => field(name).value === kept[name])) return;
  names.forEach((name) => { field(name).value = kept[name]; });
  bar(form.dataset.kept, true);
}

let saving;
form.addEventListener("input", () => { clearTimeout(saving); saving = setTimeout(keep, 300); });
form.addEventListener("submit", () => { clearTimeout(saving); keep(); });
restore();

// Drafts of other versions were saved by the server; nothing else of this note is worth keeping.
const [note] = form.dataset.draft.split(/-(?=[^-]*$)/);
Object.keys(localStorage).filter((one) => one.startsWith(`offshelf.draft.${note}-`) && one !== key).forEach((one) => localStorage.removeItem(one));

form.querySelectorAll("[data-counter]").forEach((input) => {
  const count = Object.assign(document.createElement("p"), { className: "hint num" });
  const write = () => { count.textContent = `${[...input.value].length} / ${input.maxLength}`; };
  input.after(count);
  input.addEventListener("input", write);
  write();
});

field("images").addEventListener("change", () => {
  const list = form.querySelector("[data-previews]");
  list.querySelectorAll("img").forEach((image) => URL.revokeObjectURL(image.src));
  list.replaceChildren(...[...field("images").files].slice(0, 18).map((file) => {
    const item = document.createElement("li");
    item.append(Object.assign(new Image(96, 128), { src: URL.createObjectURL(file), alt: file.name }));
    return item;
  }));
});
