// Puts the newest state of a page's #live part in its place, until it says that it is over.
const SECONDS = 2;

async function lookAgain() {
  const shown = document.getElementById("live");
  if (!shown || shown.dataset.live !== "yes") return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (answer.ok && fresh && fresh.innerHTML !== shown.innerHTML && !shown.querySelector("details[open]")) {
      shown.replaceWith(fresh);
    }
  } catch {
    // The next look may get through.
  }
  setTimeout(lookAgain, SECONDS * 1000);
}

setTimeout(lookAgain, SECONDS * 1000);
