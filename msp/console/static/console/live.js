// Puts the newest state of a page's live parts in their places, until all of them are over.
// A part that somebody is using (an open detail, a field with something in it) is left alone.
const SECONDS = 2;

const parts = (page) => [...page.querySelectorAll("[data-live]")];

// A form's token is another one each time, and says nothing about the state.
function content(part) {
  const copy = part.cloneNode(true);
  copy.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((token) => token.remove());
  return copy.innerHTML;
}

function isInUse(part) {
  const texts = [...part.querySelectorAll("textarea, input[type=text]")];
  const choices = [...part.querySelectorAll("select")];
  return (
    part.contains(document.activeElement) ||
    part.querySelector("details[open]") !== null ||
    texts.some((field) => field.value !== field.defaultValue) ||
    choices.some((field) => field.selectedIndex > 0)
  );
}

async function lookAgain() {
  if (!parts(document).some((part) => part.dataset.live === "yes")) return;
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const shown of answer.ok ? parts(document) : []) {
        const fresh = page.getElementById(shown.id);
        if (fresh && !isInUse(shown) && (content(fresh) !== content(shown) || fresh.dataset.live !== shown.dataset.live)) {
          shown.replaceWith(fresh);
        }
      }
    } catch {
      // The next look may get through.
    }
  }
  setTimeout(lookAgain, SECONDS * 1000);
}

setTimeout(lookAgain, SECONDS * 1000);
