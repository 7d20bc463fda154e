// The view Deployment: the model, the limits of the API key, and the version.

import { send } from "../api.js";
import { byId, h, localTime } from "../dom.js";
import { showError } from "../notices.js";

/** The view Deployment. */
export class DeploymentView {
  /** Show the deployment as it is now. */
  async open() {
    try {
      const [{ models }, account] = await Promise.all([send("GET", "v1/models"), send("GET", "v1/account")]);
      byId("deployment").replaceChildren(
        h(
          "div",
          { class: "facts" },
          ...models.map((model) =>
            list("Model", {
              Model: model.id,
              Revision: model.revision,
              "Compares texts": model.text_encoder,
              Engine: model.engine,
              Licence: model.licence,
              Calibrated: model.calibrated ? "yes" : "no: a general prior computes the probabilities",
              "Sees photos as": `${model.input_pixels} × ${model.input_pixels} pixels`,
            }),
          ),
          list("API key", tenantFacts(account)),
          list("Limits", limitFacts(account.limits)),
          list("Software", {
            Version: document.querySelector("meta[name=version]").content,
            Address: document.baseURI.replace(/#.*/, ""),
          }),
        ),
      );
    } catch (error) {
      showError(error);
    }
  }
}

function tenantFacts({ tenant, limits, incoming_prefix: incoming, s3_prefixes: prefixes }) {
  const [left, all] = [limits.requests_remaining, limits.requests].map((number) => number.toLocaleString("en"));
  return {
    Tenant: tenant.id,
    "Requests left": `${left} of ${all} until ${localTime(limits.requests_reset)}`,
    "Images from": prefixes.join(" ") || "https and data addresses",
    "Uploads to": incoming ?? "",
  };
}

function limitFacts(limits) {
  const number = (value) => value.toLocaleString("en");
  const megabytes = (value) => `${number(value / 1e6)} MB`;
  return {
    "Samples of a request": number(limits.max_samples),
    "Samples of a job": number(limits.max_job_samples),
    Labels: number(limits.max_labels),
    "Characters of a text": number(limits.max_text_chars),
    "Characters of a label": number(limits.max_label_chars),
    "Body of a request": megabytes(limits.max_body_bytes),
    "One image": `${megabytes(limits.max_image_bytes)}, ${limits.max_image_megapixels} megapixels`,
    "Label sets": number(limits.max_label_sets),
  };
}

function list(title, facts) {
  const rows = Object.entries(facts).filter(([, value]) => value !== "");
  return h(
    "section",
    { class: "panel", "aria-label": title },
    h("h2", {}, title),
    h(
      "dl",
      {},
      rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  );
}
