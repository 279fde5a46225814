import tseslint from "typescript-eslint";

// The floors of src/, lowest first. A file imports from its own floor and from those below it.
const floors = [
  "errors",
  "trace",
  "size",
  "schema",
  "picture",
  "ledger",
  "expression",
  "money",
  "plugin",
  "net",
  "dialect",
  "channels",
  "door",
  "gateway",
  "console",
  "http",
  "demo",
  "testing",
  "process",
  "cli",
  "main",
];

const above = (index) =>
  floors.slice(index + 1).flatMap((floor) => [`**/src/${floor}.ts`, `**/${floor}.ts`, `**/${floor}/**`, `**/plugins/**`]);

// Each file begins with a line that says what it is for, and a comment's subject is a noun.
const comments = {
  create: (context) => ({
    Program: (node) => {
      const all = context.sourceCode.getAllComments();
      const [first] = all.filter(({ type }) => type !== "Shebang");
      if (first?.type !== "Line" || first.loc.start.line > 2)
        context.report({ node, message: "Begin the file with one line, // ..., that says what it is for." });
      for (const comment of all) {
        if (/\b(?:tells?|told|telling|rests|resting)\b/i.test(comment.value.replaceAll(/`[^`]*`/g, "")))
          context.report({ loc: comment.loc, message: "Write report, say or show in place of tell, and cool-down in place of rest." });
        if (/^[\s*]*(?:Who|What|Whether|Whose|Where|Which|Whoever)\b/.test(comment.value))
          context.report({ loc: comment.loc, message: "Begin the comment with its subject, not with a question word." });
      }
    },
  }),
};

const restrict = (group, message) => ({ "no-restricted-imports": ["error", { patterns: [{ group: [...new Set(group)], message }] }] });

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "node_modules/"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] }, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "max-lines": ["error", { max: 300 }],
      "no-console": "error",
      eqeqeq: ["error", "always", { null: "ignore" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
    },
  },
  {
    files: ["src/**/*.{ts,tsx}", "plugins/**/*.ts"],
    plugins: { house: { rules: { comments } } },
    rules: {
      "house/comments": "error",
      "max-lines-per-function": ["error", { max: 80, skipBlankLines: true, skipComments: true }],
      "max-params": ["error", { max: 4 }],
    },
  },
  ...floors.slice(0, -1).map((floor, index) => ({
    files: [`src/${floor}.ts`, `src/${floor}/**/*.{ts,tsx}`],
    rules: restrict(above(index), `src/${floor} imports only the floors below it: ${floors.slice(0, index).join(", ") || "none"}.`),
  })),
  {
    files: ["plugins/**/*.ts"],
    rules: {
      "max-lines": ["error", { max: 100, skipBlankLines: true, skipComments: true }],
      ...restrict(
        floors
          .filter((floor) => !["errors", "size", "picture", "plugin"].includes(floor))
          .flatMap((floor) => [`**/src/${floor}.ts`, `**/src/${floor}/**`]),
        "A plugin imports the plugin floor, picture, size and errors, and libraries of its own trade.",
      ),
    },
  },
  {
    files: ["test/**/*.ts", "bench/**/*.ts", "tools/**/*.ts"],
    rules: { "@typescript-eslint/no-unused-expressions": "off", "@typescript-eslint/no-non-null-assertion": "off", "no-console": "off" },
  },
  { files: ["src/process/**/*.ts", "src/cli/**/*.ts"], rules: { "no-console": "off" } },
  { files: ["**/*.js"], ...tseslint.configs.disableTypeChecked },
);
