// Searches while one types, through GET /v1/search/events.

const form = document.querySelector("#search");
const told = document.querySelector("#hits-told");
const hits = document.querySelector("#hits");
let atRest = told.textContent;
let latest = 0;

function card({ attributes }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = form.dataset.event + attributes.identifier;
  link.textContent = attributes.name;
  const place = document.createElement("span");
  place.textContent = attributes["searchable-location-name"] ?? "Online";
  item.append(link, place);
  return item;
}

function show(text, found = []) {
  told.textContent = text;
  hits.replaceChildren(...found.map(card));
}

async function search() {
  const words = form.elements.q.value.trim();
  const mine = ++latest;
  if (!words) return show(atRest);
  try {
    const query = new URLSearchParams({ q: words, "page[size]": 8 });
    const response = await fetch(`${form.dataset.action}?${query}`, { signal: AbortSignal.timeout(5000) });
    const answer = await response.json();
    if (mine !== latest) return undefined;
    // it may still be starting, or be back in a moment
    if (response.status === 503) setTimeout(() => mine === latest && search(), 1000);
    if (!response.ok) return show(atRest || `No search: ${answer.errors[0].detail}.`);
    atRest = "";
    return show(`${answer.meta.count} found`, answer.data);
  } catch {
    return mine === latest ? show("No answer came; try again.") : undefined;
  }
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", search);
