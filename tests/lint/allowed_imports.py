"""An import contract that lists what may be imported: what is not listed is forbidden, also what comes next year."""

from importlinter import Contract, ContractCheck, fields, output


class AllowedImports(Contract):
    """Modules of `source_modules` import one another, and of everything else only what is `allowed`.

    An entry of `allowed` that is a package covers what lies in it, but for the root package of a source module and
    those beside it: there only the modules that are named.
    """

    type_name = "allowed"
    source_modules = fields.SetField(subfield=fields.ModuleField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph, verbose):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002 - import-linter's
        """Collect every import that is not allowed."""
        sources = sorted(module.name for module in self.source_modules)
        found = [
            (importer, imported)
            for source in sources
            for importer in sorted({source, *graph.find_descendants(source)})
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._is_allowed(imported, source)
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - import-linter's
        """Name each import."""
        for importer, imported in check.metadata["found"]:
            output.print_error(f"{importer} is not allowed to import {imported}")

    def _is_allowed(self, imported: str, source: str) -> bool:
        roots = {"slipway"}  # too wide to be allowed whole
        return any(
            imported == name or (imported.startswith(f"{name}.") and name not in roots)
            for name in (source, *self.allowed)
        )
