// The pages' own script. Errors in it are reported through the backend's tunnel, so no blocker stops them.
const { dsn, tunnel, environment, release } = document.body.dataset;
if (dsn) {
  Sentry.init({ dsn, tunnel, environment, release: release || undefined });
}

document.querySelector("#next-training")?.addEventListener("click", async () => {
  const response = await fetch("/api/events");
  const [next] = await response.json();
  document.querySelector("#answer").textContent = next
    ? `${next.title}: ${new Date(next.starts_at).toLocaleString()}, ${next.place}.`
    : "Nothing is announced at the moment.";
});
