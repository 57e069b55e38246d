// Renders /openapi.json. Text is only ever set as text, never as markup.
"use strict";

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

const typeName = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `${typeName(schema.items)}[]`;
  if (schema.additionalProperties?.$ref || schema.additionalProperties?.type)
    return `map of ${typeName(schema.additionalProperties)}`;
  return [schema.type ?? "any"].flat().join(" or ");
};

const table = (rows) => {
  const made = element("table");
  for (const [name, type, text] of rows) {
    const row = element("tr");
    const first = element("td");
    first.append(element("code", name));
    row.append(first, element("td", type, "quiet"), element("td", text ?? "", "text"));
    made.append(row);
  }
  return made;
};

const fields = (schema) =>
  Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name, typeName(field), field.description,
  ]);

const section = (parent, title, content) => {
  parent.append(element("h4", title), content);
};

const resolve = (api, thing) =>
  thing.$ref ? thing.$ref.split("/").slice(1).reduce((at, key) => at[key], api) : thing;

const operationElement = (api, path, method, operation) => {
  const made = element("details");
  const head = element("summary");
  head.append(element("span", method.toUpperCase(), "method"), element("code", path));
  head.append(element("div", operation.summary, "quiet"));
  made.append(head, element("p", operation.description, "text"));
  const parameters = (operation.parameters ?? []).map((each) => resolve(api, each));
  if (parameters.length)
    section(made, "Parameters", table(parameters.map((each) => [
      each.name, `${typeName(each.schema)}, ${each.in}`, each.description,
    ])));
  const body = operation.requestBody?.content["application/json"]?.schema;
  if (body) section(made, "Body", table(fields(resolve(api, body))));
  const media = Object.values(operation.responses["200"]?.content ?? {})[0];
  const answer = operation["x-spoton-stream"]?.message ?? media?.schema;
  if (answer) section(made, "Answer", table(fields(resolve(api, answer))));
  made.dataset.text = `${method} ${path} ${operation.description}`.toLowerCase();
  return made;
};

const render = (api) => {
  const main = document.getElementById("main");
  main.replaceChildren(element("p", api.info.description, "text"));
  for (const tag of api.tags) {
    main.append(element("h2", tag.name), element("p", tag.description, "text"));
    for (const [path, item] of Object.entries(api.paths))
      for (const [method, operation] of Object.entries(item))
        if (operation.tags?.includes(tag.name))
          main.append(operationElement(api, path, method, operation));
  }
  main.append(element("h2", "Messages"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const made = element("details");
    made.append(element("summary", name), element("p", schema.description ?? "", "text"));
    made.append(table(fields(schema)));
    made.dataset.text = `${name} ${schema.description ?? ""}`.toLowerCase();
    main.append(made);
  }
};

document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const made of document.querySelectorAll("details"))
    made.hidden = !made.dataset.text.includes(wanted);
});

fetch("/openapi.json")
  .then((answer) => answer.json())
  .then(render)
  .catch((error) => {
    document.getElementById("main").textContent = `The document cannot be read: ${error}`;
  });
