// The start of the page: its views, and which of them is shown.

import { byId } from "./dom.js";
import { setUpKey, takeKeyFromAddress } from "./key.js";
import { clearErrors, watchConnection } from "./notices.js";
import { ClassifyView } from "./views/classify.js";
import { DeploymentView } from "./views/deployment.js";
import { JobsView } from "./views/jobs.js";
import { LabelSetsView } from "./views/label_sets.js";
import { UploadsView } from "./views/uploads.js";

setUpKey(() => resume());
const classify = new ClassifyView();
const useSet = (set) => {
  classify.use(set);
  location.hash = "#/classify";
};
const views = {
  "label-sets": new LabelSetsView(useSet, () => classify.sets.load()),
  jobs: new JobsView(),
  uploads: new UploadsView(),
  deployment: new DeploymentView(),
};
let shown = "";

function show() {
  const named = location.hash.replace("#/", "");
  const name = named in views ? named : "classify";
  if (name === shown) return;
  views[shown]?.close?.();
  clearErrors();
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== `view-${name}`;
  for (const link of document.querySelectorAll("nav a")) {
    const isShown = link.hash === `#/${name}`;
    if (isShown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isShown) link.scrollIntoView({ inline: "center", block: "nearest" });
  }
  if (shown) byId("main").focus({ preventScroll: true });
  shown = name;
  views[name]?.open();
}

function resume() {
  classify.resume();
  views[shown]?.open();
}

watchConnection(resume);
addEventListener("hashchange", () => {
  const hasNewKey = takeKeyFromAddress();
  show();
  if (hasNewKey) resume();
});
show();
