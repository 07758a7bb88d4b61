/** Pages that entries refer to: whether they are there, with the anchor that is meant, and whether what they link to is. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

const MAX_PAGE_BYTES = 1024 * 1024;

/** What is wrong with `reference` (`path#anchor` from `directory`, or an https URL, which is not looked at); undefined: nothing. */
export function wrongReference(reference: string, directory: string): string | undefined {
  if (/^https:\/\/[^\s/]+/.test(reference)) return undefined;
  const [path = '', anchor] = reference.split('#');
  if (path === '' || isAbsolute(path) || /^[a-z][a-z0-9+.-]*:/i.test(path) || /\p{C}/u.test(reference))
    return 'must be a path from the directory of this file, or an https URL';
  const page = readPage(join(directory, path));
  if (page === undefined) return `leads to no page: ${path}`;
  if (anchor !== undefined && !anchorsOf(page).has(anchor))
    return `leads to no heading of ${path}: #${anchor}`;
  const broken = linksOf(page).find((link) => isBroken(link, page, dirname(join(directory, path))));
  return broken === undefined ? undefined : `leads to ${path}, which links to nothing: ${broken}`;
}

function readPage(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || stat.size > MAX_PAGE_BYTES) return undefined;
  return readFileSync(path, 'utf8');
}

/** Without fenced code, in which nothing is a heading or a link. */
function prose(page: string): string {
  return page.replace(/^(`{3,})[^\n]*\n[\s\S]*?^\1/gm, '');
}

/** The anchors of its headings, as GitHub and Gitea make them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of prose(page).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${slug}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

function linksOf(page: string): readonly string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

function isBroken(link: string, page: string, directory: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return false;
  const [path = '', anchor] = link.split('#');
  if (path === '') return anchor !== undefined && !anchorsOf(page).has(anchor);
  if (isAbsolute(path)) return true;
  const target = join(directory, path);
  if (anchor === undefined) return statSync(target, { throwIfNoEntry: false }) === undefined;
  const other = readPage(target);
  return other === undefined || !anchorsOf(other).has(anchor);
}
