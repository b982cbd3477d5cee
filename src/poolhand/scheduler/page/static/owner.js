// Signs the owner in, keeps the page up to date, and gives orders. The token of a session stays in this
// tab and goes with each request in a header; it is in no cookie and no address that a server is told.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const note = at("note"), orders = at("orders"), signIn = at("sign-in"), live = at("live"), ask = at("ask");
  const key = "poolhand-owner";
  const places = {};
  const shown = {};
  let isAsking = false, timer = 0, round = 0;
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(key, given);
    history.replaceState(null, "", location.pathname);
  }

  function say(words, isTrouble) {
    note.textContent = words;
    note.className = isTrouble ? "note trouble" : "note";
  }

  async function call(method, path, body, token) {
    const headers = token ? { Authorization: "Bearer " + token } : {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(path, { method, headers, body: sent, cache: "no-store" });
    const told = await answer.json().catch(() => ({ message: answer.statusText }));
    if (!answer.ok) throw Object.assign(new Error(told.message || answer.statusText), { status: answer.status });
    return told;
  }

  const token = () => sessionStorage.getItem(key);

  function showSignIn(words, isTrouble) {
    sessionStorage.removeItem(key);
    clearTimeout(timer);
    round += 1;
    for (const name of Object.keys(shown)) { at(name).innerHTML = ""; delete shown[name]; }
    orders.hidden = true;
    signIn.hidden = false;
    at("sign").hidden = !window.ethereum;
    document.title = "Poolhand pool";
    say(words, isTrouble);
  }

  function put(name, html) {
    if (shown[name] === html) return;
    shown[name] = html;
    const old = at(name);
    const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.innerHTML = html;
    if (focus) at(focus)?.focus();
  }

  async function look() {
    const mine = ++round;
    clearTimeout(timer);
    try {
      const asked = new URLSearchParams(Object.entries(places).filter(([, last]) => last));
      const told = await call("GET", "/owner/parts?" + asked, undefined, token());
      if (mine !== round) return;
      if (!isAsking) for (const [name, html] of Object.entries(told.sections)) put(name, html);
      document.title = told.title;
      at("pool-drain").hidden = told.draining;
      at("pool-resume").hidden = !told.draining;
      orders.hidden = false;
      signIn.hidden = true;
      if (note.dataset.kind !== "order") say(warning(), false);
    } catch (fault) {
      if (mine !== round) return;
      if (fault.status === 401) return showSignIn("Your session is over: sign in again.", true);
      note.dataset.kind = "";
      say(fault.status ? fault.message : "The pool does not answer: what you see is old. Trying again…", true);
    }
    timer = setTimeout(look, 3000);
  }

  function warning() {
    return isSecureContext ? "" :
      "This page came without encryption: whoever is between you and the pool can take your session.";
  }

  async function sign() {
    const button = at("sign");
    button.disabled = true;
    try {
      const wallet = window.ethereum;
      const accounts = await wallet.request({ method: "eth_requestAccounts" });
      const challenge = await call("GET", "/v1/owner/sign-in");
      const owner = accounts.find((each) => each.toLowerCase() === challenge.owner.toLowerCase());
      if (!owner) throw new Error("The workerpool belongs to " + challenge.owner + ", which is none of your wallet’s accounts here.");
      const chainId = "0x" + challenge.chain_id.toString(16);
      await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] }).catch(() => {});
      const signature = await wallet.request({
        method: "eth_signTypedData_v4", params: [owner, JSON.stringify(challenge.typed_data)],
      });
      const { nonce, expiry } = challenge;
      const session = await call("POST", "/v1/owner/sign-in", { nonce, expiry, signature });
      sessionStorage.setItem(key, session.token);
      say("One moment…", false);
      await look();
      at("main").focus();
    } catch (fault) {
      say(fault.message || "The wallet did not sign.", true);
    }
    button.disabled = false;
  }

  const acts = {
    drain: ["Drain", "It is given nothing new; what it holds goes on. It is told the reason.", "Reason, for its operator"],
    ban: ["Ban", "It is let in no more, and what it holds goes to others. It is told the reason.", "Reason, for its operator"],
    readmit: ["Readmit", "It works like any other again.", ""],
    message: ["Message", "It stands in its status, on its page and in its log.", "What its operator is told"],
  };

  function open(button) {
    const { act, worker, name } = button.dataset;
    const [word, says, label] = acts[act];
    at("ask-title").textContent = word + " worker " + (name || worker);
    at("ask-says").textContent = worker + ". " + says;
    at("ask-label").textContent = label;
    at("ask-label").hidden = at("ask-text").hidden = !label;
    at("ask-text").value = "";
    at("ask-text").maxLength = act === "message" ? 300 : 200;
    at("ask-yes").textContent = word;
    ask.dataset.act = act;
    ask.dataset.worker = worker;
    ask.dataset.back = button.id;
    ask.returnValue = "";
    isAsking = true;
    ask.showModal();
  }

  async function closed() {
    isAsking = false;
    const { act, worker, back } = ask.dataset;
    if (ask.returnValue === "yes") {
      const words = at("ask-text").value.trim();
      const body = act === "readmit" ? {} : act === "message" ? { text: words } : { reason: words };
      await order("/v1/owner/workers/" + worker + "/" + act, body, acts[act][0] + ": done for " + worker + ".");
    }
    (at(back) || at("main")).focus();
  }

  async function order(path, body, done) {
    try {
      await call("POST", path, body, token());
      note.dataset.kind = "order";
      say(done, false);
      setTimeout(() => { note.dataset.kind = ""; }, 8000);
      await look();
    } catch (fault) {
      note.dataset.kind = "order";
      say(fault.status ? fault.message : "The pool does not answer: whether it was done is not known. See below once it does.", true);
    }
  }

  live.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.act) open(button);
    else if (button.dataset.page) {
      places[button.dataset.page] = button.dataset.after || "";
      look();
    }
  });
  ask.addEventListener("close", closed);
  for (const id of ["pool-drain", "pool-resume"]) {
    const button = at(id), drains = button.dataset.drains === "true";
    button.addEventListener("click", () => order("/v1/drain", { drains },
      drains ? "The pool sells nothing new and finishes what is open." : "The pool sells again."));
  }
  at("sign").addEventListener("click", sign);
  at("sign-out").addEventListener("click", async () => {
    await call("POST", "/v1/owner/sign-out", {}, token()).catch(() => {});
    showSignIn("You are signed out.", false);
  });
  addEventListener("hashchange", () => location.reload());
  if (token()) look();
  else showSignIn("", false);
})();
