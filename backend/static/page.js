// The page's own script. Errors in it are reported through the backend's tunnel, so no blocker stops them.
const { dsn, tunnel, environment, release } = document.body.dataset;
if (dsn) {
  Sentry.init({ dsn, tunnel, environment, release: release || undefined });
}

const answer = document.querySelector("#answer");

document.querySelector("#training").addEventListener("click", () => {
  answer.textContent = "Tuesday, 19:00, main dojo.";
});

document.querySelector("#rank").addEventListener("click", async () => {
  const response = await fetch("/api/members/me");
  const member = await response.json();
  // Nobody is signed in on this page, so there is no rank: the kind of error that only shows in a browser.
  answer.textContent = `Your rank: ${member.rank.name}`;
});
