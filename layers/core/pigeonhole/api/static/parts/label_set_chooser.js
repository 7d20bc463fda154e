// Loading and saving label sets beside the labels of the view Classify.

import { apiKey, sendForAll } from "../api.js";
import { announce, byId, h } from "../dom.js";
import { showError } from "../notices.js";

/** The list of label sets in the view Classify, and the button that saves one. */
export class LabelSetChooser {
  constructor(view) {
    this.view = view;
    byId("load-set").addEventListener("change", () => this.#use());
    byId("save-set").addEventListener("click", () => {
      // The editor takes the focus, which a view can have only when it is shown.
      const edit = () => dispatchEvent(new CustomEvent("edit-label-set", { detail: this.view.question }));
      addEventListener("hashchange", edit, { once: true });
      location.hash = "#/label-sets";
    });
    this.load();
  }

  /** Read the names of the label sets. */
  async load() {
    if (!apiKey.get()) return;
    try {
      const sets = await sendForAll("v1/label-sets", "label_sets");
      this.sets = new Map(sets.map((set) => [set.name, set]));
      const first = byId("load-set").options[0];
      byId("load-set").replaceChildren(first, ...sets.map((set) => h("option", { value: set.name }, set.name)));
      byId("load-set").disabled = !sets.length;
    } catch (error) {
      showError(error);
    }
  }

  #use() {
    const set = this.sets?.get(byId("load-set").value);
    byId("load-set").value = "";
    if (!set) return;
    this.view.use(set);
    announce(`Label set ${set.name} loaded`);
  }
}
