"use strict";

// Draws the diagrams of a page with the site's own copy of mermaid, in the colours of its palette,
// and again when the palette changes. Without scripts a diagram is its text.
const ours = new URL("mermaid.tiny.js", document.currentScript.src);
const pictures = [...document.querySelectorAll("pre.diagram")].map((place) => ({
  place,
  text: place.textContent,
}));

function titleOf(place) {
  const headings = [...document.querySelectorAll("article :is(h1, h2, h3, h4)")];
  const before = headings.filter(
    (each) => each.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  return `Diagram: ${(before.pop()?.firstChild?.textContent ?? document.title).trim()}`;
}

async function draw() {
  const isDark = document.body.dataset.mdColorScheme === "slate";
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    theme: isDark ? "dark" : "neutral",
    themeVariables: isDark ? { edgeLabelBackground: "#22252e" } : {},
    fontFamily: "system-ui, sans-serif",
  });
  for (const [number, picture] of pictures.entries()) {
    const { svg } = await mermaid.render(`diagram-${number}`, picture.text);
    picture.place.innerHTML = svg;
    picture.place.classList.add("drawn");
    const drawn = picture.place.firstElementChild;
    drawn.setAttribute("role", "img");
    drawn.removeAttribute("aria-roledescription");
    drawn.setAttribute("aria-label", titleOf(picture.place));
    picture.place.tabIndex = 0;
  }
  document.body.dataset.diagrams = "drawn";
}

// What the theme leaves to be done for keyboards and screen readers: wide tables can be scrolled, and
// no two parts of the navigation have the same name.
function reachable() {
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap")) wide.tabIndex = 0;
  const parts = document.querySelectorAll("nav nav, nav.md-code__nav");
  for (const [number, part] of parts.entries()) {
    const kind = part.matches(".md-code__nav") ? "Copy example" : "Pages, part";
    part.removeAttribute("aria-labelledby");
    part.setAttribute("aria-label", `${kind} ${number + 1}`);
  }
}
reachable();
new MutationObserver(reachable).observe(document.querySelector("article"), {
  childList: true,
  subtree: true,
});

if (pictures.length > 0) {
  const script = document.createElement("script");
  script.src = ours;
  script.onload = () => {
    let last = draw();
    new MutationObserver(() => {
      last = last.then(draw);
    }).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  };
  document.head.append(script);
}
