"""The read model: what blocks say, as SQL tables that pages can ask.

    blocks ─▶ certified ─▶ projector ─▶ changes ─▶ one SQL transaction, with the height it comes to
              (signatures)  (pure)                  (SQLite, or PostgreSQL by URL)

It is never a source of truth: every row names the height and the transaction it comes from, and all of it can be
dropped and built again from the blocks, to the same content. `docs/read-model.md` names tables, pages and figures.
"""
