// Says as JSON what is wrong in the pages of a folder: node validate.mjs FOLDER
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HtmlValidate, StaticConfigLoader } from "html-validate";

const [folder] = process.argv.slice(2);
const html = new HtmlValidate(
  new StaticConfigLoader({
    extends: ["html-validate:recommended"],
    rules: {
      // The indicator has the name that the ministry gave it, and its pages are titled with that.
      "long-title": "off",
      // Ticks of one list share one name: that is how a form sends a list, and how the portal reads it.
      "form-dup-name": ["error", { shared: ["button", "checkbox", "radio", "reset", "submit"] }],
      // The live page, and no other, loads itself again where scripts are off; the test says which page that is.
      "meta-refresh": "error",
    },
  }),
);
const wrong = [];
for (const name of readdirSync(folder).sort()) {
  const report = await html.validateString(readFileSync(join(folder, name), "utf8"), name);
  for (const { messages } of report.results) {
    wrong.push(...messages.map(({ ruleId, message, line }) => ({ page: name, rule: ruleId, message, line })));
  }
}
console.log(JSON.stringify(wrong));
