// The rules that `make lint-js` holds utils/viewer.js to.

import js from "@eslint/js";

const BROWSER = ["Blob", "DecompressionStream", "ImageData", "ResizeObserver", "Response",
  "atob", "document", "window"];

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])) },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "eqeqeq": ["error", "always", { null: "ignore" }],
      "max-lines-per-function": ["error", { max: 60 }],
      "no-unused-vars": "error",
      "prefer-const": "error",
    },
  },
];
