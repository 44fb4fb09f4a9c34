// Buys through POST /v1/orders, and keeps what is left up to date.

const form = document.querySelector("#buy");
const outcome = document.querySelector("#outcome");
const tickets = new Map([...form.querySelectorAll("[data-ticket]")].map((row) => [row.dataset.ticket, row]));
const money = (amount, currency) => new Intl.NumberFormat("en", { style: "currency", currency }).format(amount);

function showLeft(availability) {
  for (const [id, row] of tickets) {
    const left = availability[id] ?? null;
    if (left === null) continue;
    const input = row.querySelector("input");
    row.querySelector(".left").textContent = left ? `${left} of ${input.dataset.quantity} left` : "Sold out";
    row.querySelector("meter").value = left;
    // what somebody has chosen already stays: they shall read why they do not get it
    input.disabled = left === 0 && !(Number(input.value) > 0);
  }
}

async function refresh() {
  try {
    const response = await fetch(form.dataset.availability, { signal: AbortSignal.timeout(5000) });
    if (response.ok) showLeft(await response.json());
  } catch {
    // the next one may get through
  }
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, 1000);
}

function inWords(error) {
  if (error.code === "OE101") {
    const { ticket_id, requested, available } = error.meta.detail;
    const name = tickets.get(String(ticket_id))?.dataset.name ?? "That ticket";
    return available
      ? `Not enough left: you asked for ${requested} × ${name}, ${available} can be had.`
      : `Sold out: somebody else was faster, no ${name} is left. Nothing was bought.`;
  }
  if (error.status === "401") return "Sign in first, then buy.";
  return `${error.title}: ${error.detail}.`;
}

function say(text, kind, link) {
  outcome.className = kind;
  outcome.replaceChildren(text);
  if (link) outcome.append(" ", link);
  outcome.focus();
}

function sayOrdered({ identifier, amount, currency, status, "expires-at": expiresAt }) {
  const link = document.createElement("a");
  link.href = form.dataset.order + identifier;
  link.textContent = status === "pending" ? "Pay now" : "See the order";
  const until = expiresAt && new Date(expiresAt).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit" });
  const terms = status === "pending" ? `${money(amount, currency)}, held for you until ${until}.` : "Complete.";
  say(`Order ${identifier}: ${terms}`, "good", link);
}

function order() {
  const lines = [...tickets].map(([id, row]) => ({ "ticket-id": Number(id), quantity: Number(row.querySelector("input").value) }));
  return {
    data: {
      type: "order",
      attributes: {
        email: form.querySelector("#email").value,
        lines: lines.filter((line) => line.quantity > 0),
        "discount-code": form.querySelector("#discount").value.trim() || null,
        "access-code": form.dataset.code || null,
      },
      relationships: { event: { data: { type: "event", id: form.dataset.event } } },
    },
  };
}

// A request that got no answer may have bought: sent again with its key, it is answered and buys nothing twice.
let unanswered = { body: "", key: "" };

function keyOf(body) {
  if (unanswered.body !== body) {
    const random = crypto.getRandomValues(new Uint32Array(4));
    unanswered = { body, key: [...random].map((part) => part.toString(16)).join("-") };
  }
  return unanswered.key;
}

async function buy() {
  const document_ = order();
  if (!document_.data.attributes.lines.length) return say("Choose how many of which ticket.", "bad");
  const body = JSON.stringify(document_);
  let response, answer;
  try {
    response = await fetch("/v1/orders", {
      method: "POST",
      headers: { "Content-Type": "application/vnd.api+json", "Idempotency-Key": keyOf(body) },
      body,
      signal: AbortSignal.timeout(15000),
    });
    answer = await response.json();
  } catch {
    return say("No answer came. Buy again: you will not be sold the same twice.", "bad");
  }
  if (response.status !== 503) unanswered = { body: "", key: "" };
  if (response.ok) {
    for (const row of tickets.values()) row.querySelector("input").value = 0;
    sayOrdered(answer.data.attributes);
  } else {
    say(inWords(answer.errors[0]), "bad");
  }
  return refresh();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  await buy();
  button.disabled = false;
});

watch();
