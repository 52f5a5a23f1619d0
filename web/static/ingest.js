// Where the host sends the picture: copied by a click, the key shown only when asked for, and whether it comes.
import { Room } from "./live.js";
import { again, bar, say } from "./words.js";

document.querySelectorAll("[data-copy]").forEach((button) => {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    // Clipboards exist on secure origins only; elsewhere the text is marked, ready for the keyboard.
    try { await navigator.clipboard.writeText(field.value); bar(say("copied"), true); } catch { field.type = "text"; field.focus(); field.select(); }
  });
});

document.querySelectorAll("input.secret").forEach((field) => {
  field.type = "password";
  field.addEventListener("focus", () => { field.type = "text"; field.select(); });
  field.addEventListener("blur", () => { field.type = "password"; });
});

const signal = document.getElementById("signal");
const show = (state) => {
  signal.dataset.state = state;
  signal.classList.toggle("good", state === "receiving");
  signal.textContent = say(state);
};
const room = new Room(signal.dataset.room, Number(signal.dataset.seq));
room.addEventListener("event", ({ detail }) => {
  if (detail.kind === "stream.changed") show(detail.data.state);
  if (detail.kind === "room.ended") again();
});
room.addEventListener("snapshot", ({ detail }) => { if (detail.stream) show(detail.stream); });
