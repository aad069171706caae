// The crash-report modal: a form over a page that failed. Its texts and the event it is about stand in the address that
// this script was loaded from; what the person writes is posted to the same address.
(() => {
  const address = document.currentScript.src;
  const query = new URL(address).searchParams;
  const text = (name, otherwise) => query.get(name) || otherwise;
  const make = (name, style, content) => {
    const element = document.createElement(name);
    Object.assign(element.style, style);
    if (content !== undefined) element.textContent = content;
    return element;
  };
  const field = (form, name, label, kind, value) => {
    const shown = make("label", { display: "block", margin: "12px 0 0", fontSize: "14px" }, label);
    const input = make(kind, {
      display: "block", boxSizing: "border-box", width: "100%", marginTop: "4px", padding: "8px", font: "inherit",
      color: "inherit", background: "transparent", border: "1px solid #888", borderRadius: "6px",
    });
    input.name = name;
    input.required = true;
    if (value) input.value = value;
    if (kind === "textarea") input.rows = 5;
    shown.append(input);
    form.append(shown);
    return input;
  };

  const dialog = make("dialog", {
    maxWidth: "460px", width: "calc(100% - 40px)", padding: "24px", border: "1px solid #888", borderRadius: "10px",
    font: "16px/1.45 system-ui, sans-serif", color: "CanvasText", background: "Canvas",
  });
  dialog.style.colorScheme = "light dark";
  const title = make("h2", { margin: "0 0 6px", fontSize: "20px" }, text("title", "It looks like we're having issues."));
  title.id = "ukemi-crash-title";
  dialog.setAttribute("aria-labelledby", title.id);
  const subtitle = `${text("subtitle", "Our team has been notified.")} ${text("subtitle2", "If you'd like to help, tell us what happened below.")}`;
  const form = make("form", { margin: "0" });
  form.append(title, make("p", { margin: "0" }, subtitle));
  field(form, "name", text("labelName", "Name"), "input", query.get("name")).autocomplete = "name";
  const email = field(form, "email", text("labelEmail", "Email"), "input", query.get("email"));
  email.type = "email";
  email.autocomplete = "email";
  const comments = field(form, "comments", text("labelComments", "What happened?"), "textarea");
  const said = make("p", { margin: "12px 0 0", fontSize: "14px" });
  said.setAttribute("role", "status");
  const actions = make("p", { display: "flex", gap: "10px", margin: "16px 0 0" });
  const button = (label) => make("button", { font: "inherit", padding: "7px 16px", borderRadius: "6px", border: "1px solid #888", cursor: "pointer" }, label);
  const submit = button(text("labelSubmit", "Submit Crash Report"));
  const close = button(text("labelClose", "Close"));
  close.type = "button";
  actions.append(submit, close);
  form.append(said, actions);
  dialog.append(form);

  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    window.postMessage("__sentry_reportdialog_closed__", "*");
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    let isTaken = false;
    try {
      isTaken = (await fetch(address, { method: "POST", body: new URLSearchParams(new FormData(form)) })).ok;
    } catch {
      // said below
    }
    if (isTaken) {
      said.textContent = text("successMessage", "Your feedback has been sent. Thank you!");
      for (const element of form.elements) element.disabled = element !== close;
      close.focus();
    } else {
      said.textContent = text("errorGeneric", "An unknown error occurred while submitting your report. Please try again.");
      submit.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  comments.focus();
})();
