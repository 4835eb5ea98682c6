/** Elements of the page. Text from anywhere is only ever put into text nodes. */

type Attributes = Readonly<Record<string, string>>;

/** A new element. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** A new element of SVG. */
export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes,
  ...children: Node[]
): SVGElementTagNameMap[Name] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** The element of the page with this id, which index.html has. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return found;
}

/** The element within another one that is marked with `data-part`. */
export function part<T extends Element>(within: ParentNode, name: string, type: new () => T): T {
  const found = within.querySelector(`[data-part="${name}"]`);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} "${name}" here`);
  return found;
}

/** The control of a form with this name. */
export function control<T extends Element>(form: HTMLFormElement, name: string, type: new () => T): T {
  const found = form.elements.namedItem(name);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} named ${name} here`);
  return found;
}

/** Changes a text only if it is another one: the browser then has nothing to do. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
