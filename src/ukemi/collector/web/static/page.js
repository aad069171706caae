// Small comforts; every page works without them.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

// The list stays fresh by itself, but not while nobody sees it.
document.addEventListener("htmx:config:request", (event) => {
  if (event.detail.ctx.sourceEvent.type === "every" && document.hidden) event.preventDefault();
});
