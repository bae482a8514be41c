/** What the declarations of an entry of the package show to its users, as TypeScript's own compiler reads them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import {
  type ClassDeclaration,
  type Identifier,
  type InterfaceDeclaration,
  type Node,
  type SourceFile,
  SyntaxKind,
  type VariableDeclaration,
} from 'typescript/unstable/ast';
import {
  API,
  type Checker,
  type Project,
  SymbolFlags,
  type Type,
  type Symbol as TypeSymbol,
} from 'typescript/unstable/sync';

const ROOT = join(import.meta.dirname, '..', '..');
const DIST = join(ROOT, 'dist');

export interface Surface {
  /** Names of all exports. */
  readonly exports: readonly string[];
  /** "name, which member of X names": types of the package that a user meets and cannot import. */
  readonly hiddenTypes: readonly string[];
  /** "X", "X.member": what has no docstring. */
  readonly undocumented: readonly string[];
}

/** Reads the built declarations of entries such as "dist/node.d.ts". */
export function readSurfaces(entries: readonly string[]): Surface[] {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-surface-'));
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = { module: 'nodenext', target: 'es2023', strict: true, types: [], noEmit: true };
  const files = entries.map((entry) => join(ROOT, entry));
  writeFileSync(config, JSON.stringify({ compilerOptions, files }));
  const api = new API({ cwd: ROOT });
  try {
    const project = api.updateSnapshot({ openProject: config }).getProject(config)!;
    return files.map((file) => new SurfaceReader(project, file).read());
  } finally {
    api.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Not for users: private members, and those whose docstring says that they are internal. */
function isInternal(member: Node): boolean {
  const { modifiers, name, jsDoc = [] } = member as Node & { modifiers?: readonly Node[]; name?: Node };
  if (name?.kind === SyntaxKind.PrivateIdentifier) return true;
  if (modifiers?.some(({ kind }) => kind === SyntaxKind.PrivateKeyword)) return true;
  return jsDoc.some((comment) => /@internal\b/.test(comment.getText()));
}

type HasHeritage = Pick<ClassDeclaration | InterfaceDeclaration, 'heritageClauses'>;

class SurfaceReader {
  private readonly checker: Checker;
  private readonly source: SourceFile;
  private readonly exported: ReadonlyMap<string, TypeSymbol>;
  private readonly exportedIds: ReadonlySet<number>;
  private readonly hiddenTypes = new Set<string>();
  private readonly undocumented = new Set<string>();

  constructor(project: Project, file: string) {
    this.checker = project.checker;
    this.source = project.program.getSourceFile(file)!;
    const { checker } = this;
    const all = checker.getExportsOfModule(checker.getSymbolAtLocation(this.source)!);
    this.exported = new Map(all.map((symbol) => [symbol.name, this.target(symbol)]));
    this.exportedIds = new Set([...this.exported.values()].map(({ id }) => id));
  }

  read(): Surface {
    for (const [name, symbol] of this.exported) this.readExport(name, symbol);
    return {
      exports: [...this.exported.keys()].sort(),
      hiddenTypes: [...this.hiddenTypes].sort(),
      undocumented: [...this.undocumented].sort(),
    };
  }

  private target(symbol: TypeSymbol): TypeSymbol {
    return (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : this.checker.getAliasedSymbol(symbol);
  }

  private readExport(name: string, symbol: TypeSymbol): void {
    if (this.checker.getDocumentationCommentOfSymbol(symbol) === '') this.undocumented.add(name);
    for (const handle of symbol.declarations) {
      const declaration = handle.resolve()!;
      const { kind } = declaration;
      if (kind === SyntaxKind.ClassDeclaration || kind === SyntaxKind.InterfaceDeclaration) {
        this.readMembers(name, declaration as ClassDeclaration | InterfaceDeclaration);
      } else if (kind === SyntaxKind.VariableDeclaration) {
        const { type } = declaration as VariableDeclaration;
        if (type) this.readTypes(name, type);
      } else this.readTypes(name, declaration);
    }
  }

  private readMembers(name: string, declaration: ClassDeclaration | InterfaceDeclaration): void {
    for (const clause of declaration.heritageClauses ?? []) this.readTypes(name, clause);
    for (const parameter of declaration.typeParameters ?? []) this.readTypes(name, parameter);
    const documented = new Set<string>();
    const inherited = this.inheritedDocs(declaration);
    const members = new Set<string>();
    for (const member of declaration.members) {
      if (isInternal(member)) continue;
      const { name: nameNode } = member as Node & { name?: Node };
      const ownName = nameNode?.getText() ?? 'constructor';
      const memberName = `${name}.${ownName}`;
      members.add(memberName);
      // Of overloads, and of a property that can be read and set, one docstring is enough.
      if ((member.jsDoc?.length ?? 0) > 0 || inherited(ownName)) documented.add(memberName);
      this.readTypes(memberName, member);
    }
    for (const member of members) if (!documented.has(member)) this.undocumented.add(member);
  }

  /** Whether a class or interface that this one extends or implements says what a member is. */
  private inheritedDocs({ heritageClauses }: HasHeritage): (member: string) => boolean {
    const bases = (heritageClauses ?? []).flatMap(({ types }) =>
      types.map((type) => this.checker.getTypeAtLocation(type)),
    );
    const docsIn = (base: Type, member: string): string => {
      const property = this.checker.getPropertyOfType(base, member);
      return property ? this.checker.getDocumentationCommentOfSymbol(property) : '';
    };
    return (member) => bases.some((base) => base !== undefined && docsIn(base, member) !== '');
  }

  /** All types that are named in a declaration. */
  private readTypes(owner: string, node: Node): void {
    if (node.kind === SyntaxKind.Identifier) this.readName(owner, node as Identifier);
    node.forEachChild((child) => this.readTypes(owner, child));
  }

  private readName(owner: string, name: Identifier): void {
    const found = this.checker.getSymbolAtLocation(name);
    if (!found) return;
    const symbol = this.target(found);
    const named = SymbolFlags.Class | SymbolFlags.Interface | SymbolFlags.TypeAlias | SymbolFlags.Enum;
    const value = SymbolFlags.BlockScopedVariable | SymbolFlags.Function;
    if ((symbol.flags & (named | value)) === 0 || this.exportedIds.has(symbol.id)) return;
    const path = symbol.declarations[0]?.path;
    if (path?.startsWith(`${DIST}/`)) {
      this.hiddenTypes.add(`${symbol.name} (${relative(ROOT, path)}), which ${owner} names`);
    }
  }
}
