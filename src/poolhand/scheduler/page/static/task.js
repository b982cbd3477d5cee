// Shows a task: how it stands, and what it prints as it comes. A token that a signature brought stays in this
// tab and goes with each request in a header. What an app prints is put into the page as text, never as HTML.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const task = at("main").dataset.task, note = at("note"), signIn = at("sign-in");
  const key = "poolhand-reader", mostLines = 2000;
  const workers = new Map();
  let isOver = false;

  function say(words, isTrouble) {
    note.textContent = words;
    note.className = isTrouble ? "note trouble" : "note";
  }

  const headers = () => {
    const token = sessionStorage.getItem(key);
    return token ? { Authorization: "Bearer " + token } : {};
  };

  async function told(answer) {
    const found = await answer.json().catch(() => ({ message: answer.statusText }));
    if (!answer.ok) throw Object.assign(new Error(found.message || answer.statusText), { code: found.code });
    return found;
  }

  function place(address) {
    if (workers.has(address)) return workers.get(address);
    const made = document.createElement("section");
    const title = document.createElement("h2"), progress = document.createElement("progress");
    const words = document.createElement("p"), output = document.createElement("pre");
    title.textContent = "Worker " + address.slice(0, 10) + "…";
    title.title = address;
    progress.max = 1;
    progress.hidden = true;
    progress.setAttribute("aria-label", "Done, as the app says");
    words.className = "faint";
    output.className = "output";
    output.tabIndex = 0;
    output.setAttribute("role", "log");
    output.setAttribute("aria-label", "What it prints");
    made.append(title, progress, words, output);
    at("workers").append(made);
    const found = { progress, words, output, next: 0 };
    workers.set(address, found);
    return found;
  }

  function line(output, text, kind) {
    const isAtEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 8;
    const made = document.createElement("span");
    made.textContent = text + "\n";
    if (kind) made.className = kind;
    output.append(made);
    while (output.childElementCount > mostLines) output.firstElementChild.remove();
    if (isAtEnd) output.scrollTop = output.scrollHeight;
  }

  const size = (bytes) => (bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0) + " MiB";

  function show(news) {
    if (news.kind === "end") { isOver = true; return; }
    if (news.kind === "beat" || !news.worker) return;
    const here = place(news.worker);
    if (news.kind === "lines") {
      const lost = Math.max(news.first - here.next, 0);
      if (lost) line(here.output, `[${lost} lines left out]`, "gap");
      news.lines.forEach((each, place) => {
        if (news.first + place >= here.next) line(here.output, each.text, each.is_error ? "error" : "");
      });
      here.next = Math.max(here.next, news.first + news.lines.length);
    } else if (news.kind === "printed") {
      for (const [text, kind] of [[news.stdout, ""], [news.stderr, "error"]])
        for (const each of text.replace(/\n$/, "").split("\n")) if (text) line(here.output, each, kind);
    } else if (news.kind === "silent") {
      here.words.textContent = "Nothing yet: " + news.because + ".";
    } else if (news.kind === "progress") {
      const found = news.progress;
      here.progress.hidden = found.fraction === null;
      if (found.fraction !== null) here.progress.value = found.fraction;
      const done = found.fraction === null ? "" : Math.round(found.fraction * 100) + " % ";
      const came = found.downloaded ? size(found.downloaded) + " of data, " : "";
      here.words.textContent = found.pulled !== null ? `Its image is pulled: ${size(found.pulled)} have come` : `${done}${found.words} · ${came}${size(found.memory)} of memory, ` +
        `${(found.cpu_ms / 1000).toFixed(1)} s of processor, ${found.processes} processes`;
    }
  }

  async function read() {
    const after = new URLSearchParams();
    for (const [address, here] of workers) after.append("after", address + ":" + here.next);
    const answer = await fetch(`/v1/tasks/${task}/output?${after}`, { headers: headers(), cache: "no-store" });
    if (!answer.ok) await told(answer);
    signIn.hidden = true;
    say("", false);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const each of lines) if (each.startsWith("data: ")) show(JSON.parse(each.slice(6)));
    }
  }

  async function follow() {
    while (!isOver) {
      try {
        await read();
      } catch (fault) {
        if (fault.code === "not-public" || fault.code === "not-the-requester") {
          sessionStorage.removeItem(key);
          signIn.hidden = false;
          at("sign").hidden = !window.ethereum;
          say(fault.code === "not-public" ? "" : fault.message, fault.code !== "not-public");
          return;
        }
        say(fault.code ? fault.message : "The pool does not answer: what you see is old. Trying again…", true);
      }
      if (!isOver) await new Promise((done) => setTimeout(done, 2000));
    }
    say("", false);
  }

  function showEnclave(told) {
    at("confidential").hidden = !told;
    if (!told) return;
    at("simulated").hidden = !told.simulated;
    at("framework").textContent = `It is computed in an enclave (${told.framework}). ` + (told.simulated ?
      "This pool takes simulated ones: nothing is kept secret there." : "This pool takes no simulated ones.");
    at("enclave").textContent = told.enclave || "not told yet: the pool asks for it when the task begins";
  }

  function showCauses(causes) {
    at("causes").hidden = !causes.length;
    at("causes").querySelector("ul").replaceChildren(...causes.map((each) => {
      const made = document.createElement("li");
      made.textContent = each;
      return made;
    }));
  }

  async function look() {
    try {
      const found = await told(await fetch("/v1/tasks/" + task, { cache: "no-store" }));
      at("status").textContent = found.status.toLowerCase().replaceAll("_", " ");
      at("meaning").textContent = found.meaning;
      document.title = "Task: " + at("status").textContent;
      showEnclave(found.confidential);
      showCauses(found.causes);
      if (["COMPLETED", "FAILED"].includes(found.status)) return;
    } catch (fault) {
      if (fault.code) say(fault.message, true);
    }
    setTimeout(look, 3000);
  }

  async function sign() {
    const button = at("sign");
    button.disabled = true;
    try {
      const wallet = window.ethereum;
      const [requester] = await wallet.request({ method: "eth_requestAccounts" });
      const asked = "/v1/reader/sign-in?" + new URLSearchParams({ address: requester });
      const challenge = await told(await fetch(asked, { cache: "no-store" }));
      const chainId = "0x" + challenge.chain_id.toString(16);
      await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] }).catch(() => {});
      const signature = await wallet.request({
        method: "eth_signTypedData_v4", params: [requester, JSON.stringify(challenge.typed_data)],
      });
      const { nonce, expiry } = challenge;
      const session = await told(await fetch("/v1/reader/sign-in", {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ requester: challenge.requester, nonce, expiry, signature }),
      }));
      sessionStorage.setItem(key, session.token);
      follow();
      at("main").focus();
    } catch (fault) {
      say(fault.message || "The wallet did not sign.", true);
    }
    button.disabled = false;
  }

  at("sign").addEventListener("click", sign);
  look();
  follow();
})();
