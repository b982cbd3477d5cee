// Keeps a page up to date. The token comes in the address's fragment, which no server, no log and
// no other page is told; it stays in this tab, and goes with each request in a header.
"use strict";
(() => {
  const place = document.getElementById("live");
  const note = document.getElementById("note");
  const orders = document.getElementById("orders");
  const key = "poolhand-token";
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(key, given);
    history.replaceState(null, "", location.pathname);
  }
  const token = sessionStorage.getItem(key);
  const headers = { Authorization: "Bearer " + token };

  const typed = new Map(); // what stands in a field and was not sent yet, by the field's id
  let isOld = true; // whether the note says that nothing came yet, or that nothing new comes

  function say(words, isTrouble) {
    note.textContent = words;
    note.className = isTrouble ? "note trouble" : "note";
  }

  function put(name, html) {
    const old = document.getElementById(name);
    const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.innerHTML = html;
    for (const each of old.querySelectorAll("pre")) each.scrollTop = each.scrollHeight;
    for (const [id, words] of typed) {
      const field = old.querySelector("#" + CSS.escape(id));
      if (field) field.value = words;
    }
    if (focus) document.getElementById(focus)?.focus();
  }

  function take(message) {
    const data = message.split("\n").filter((line) => line.startsWith("data: "));
    if (!data.length) return;
    const told = JSON.parse(data.map((line) => line.slice(6)).join("\n"));
    for (const [name, html] of Object.entries(told.sections)) put(name, html);
    document.title = told.title;
    orders.hidden = false;
    if (isOld) say("", false);
    isOld = false;
  }

  async function follow() {
    const answer = await fetch("/page/live", { headers, cache: "no-store" });
    if (answer.status === 401) return false;
    if (!answer.ok) throw new Error(answer.statusText);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      waiting += value;
      const parts = waiting.split("\n\n");
      waiting = parts.pop();
      parts.forEach(take);
    }
  }

  const { what, verb, lost } = note.dataset;

  async function keep() {
    for (;;) {
      try {
        if (!(await follow())) return say(lost, true);
        isOld = true;
        say(`The ${what} has ended, or was restarted. Trying again…`, true);
      } catch {
        isOld = true;
        say(`The ${what} does not answer: what you see is old. Trying again…`, true);
      }
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
  }

  async function order(button) {
    button.disabled = true;
    try {
      const { reason } = button.dataset;
      const body = reason ? JSON.stringify({ reason }) : undefined;
      const answer = await fetch("/v1/" + button.value, { method: "POST", headers, body });
      const told = await answer.json();
      say(answer.ok ? button.dataset.done : told.message, !answer.ok);
    } catch {
      say(`The ${what} does not answer: whether it was done is not known.`, true);
    }
    button.disabled = false;
  }

  async function set(form) {
    const button = form.querySelector("button");
    const name = form.dataset.setting;
    const { id, value } = form.elements.value;
    button.disabled = true;
    try {
      const body = JSON.stringify({ changes: { [name]: value } });
      const answer = await fetch("/v1/settings", { method: "POST", headers, body });
      const told = await answer.json();
      if (answer.ok) settled(id, told.settings.find((each) => each.name === name));
      say(answer.ok ? (value.trim() ? `${name} is set.` : `${name} is taken back.`) : told.message, !answer.ok);
    } catch {
      say("The worker does not answer: nothing was set.", true);
    }
    button.disabled = false;
  }

  function settled(id, setting) {
    typed.delete(id);
    const field = document.getElementById(id);
    if (field) field.value = setting.is_hidden ? "" : setting.value;
  }

  place.addEventListener("input", ({ target }) => typed.set(target.id, target.value));
  place.addEventListener("submit", (event) => {
    event.preventDefault();
    set(event.target);
  });
  addEventListener("hashchange", () => location.reload());
  for (const each of orders.querySelectorAll("button")) each.addEventListener("click", () => order(each));
  if (token) keep();
  else say(`To see what this ${what} does, open the address that ${verb} prints.`, true);
})();
