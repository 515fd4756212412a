// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Refused } from "../src/api/problem";
import { Behind } from "../src/charts/Behind";
import { Answer, type Asked, type Column, Field, Segments, Table } from "../src/ui";

afterEach(cleanup);

const asked = (values: Partial<Asked<string[]>>): Asked<string[]> => ({
  data: undefined,
  error: null,
  isPending: false,
  isFetching: false,
  refetch: () => undefined,
  ...values,
});
const draw = (of: Asked<string[]>) =>
  render(
    <Answer of={of} empty={(rows) => rows.length === 0}>
      {(rows) => <p>{rows.join()}</p>}
    </Answer>,
  );
const away = new Refused({ status: 503, code: "UNAVAILABLE", title: "away", detail: "the database does not answer" });

describe("an answer", () => {
  it("says that it is waited for", () => {
    draw(asked({ isPending: true }));
    expect(screen.getByRole("status").textContent).toContain("Loading");
  });
  it("says why it is not there, by its code, and is asked again by hand", () => {
    const refetch = vi.fn();
    draw(asked({ error: away, refetch }));
    expect(screen.getByRole("alert").textContent).toContain("the database does not answer");
    expect(screen.getByRole("alert").textContent).toContain("UNAVAILABLE");
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(refetch).toHaveBeenCalledOnce();
  });
  it("tells of what is missing no more than that it is", () => {
    draw(asked({ error: new Refused({ status: 404, code: "ADDRESS_UNKNOWN", title: "x", detail: "secret" }) }));
    expect(screen.getByRole("alert").textContent).not.toContain("secret");
    expect(screen.queryByRole("button")).toBeNull();
  });
  it("stays seen when it cannot be renewed", () => {
    draw(asked({ data: ["held"], error: away }));
    expect(screen.getByText("held")).toBeTruthy();
    expect(screen.getByRole("alert").textContent).toContain("UNAVAILABLE");
  });
  it("that is empty says so", () => {
    draw(asked({ data: [] }));
    expect(screen.getByText("Nothing here yet")).toBeTruthy();
  });
});

describe("a table's cell", () => {
  it("keeps what it has opened while rows are asked anew", () => {
    function Opens() {
      const [open, setOpen] = useState(false);
      return open ? (
        <b>opened</b>
      ) : (
        <button type="button" onClick={() => setOpen(true)}>
          open
        </button>
      );
    }
    const table = () => (
      <Table
        caption="things"
        columns={[{ id: "a", title: "A", cell: () => <Opens /> }]}
        rows={[{ id: "1" }]}
        keyOf={(row) => row.id}
      />
    );
    const { rerender } = render(table());
    fireEvent.click(screen.getByRole("button"));
    rerender(table());
    expect(screen.getByText("opened")).toBeTruthy();
  });
});

describe("a table", () => {
  const columns: Column<{ id: string; sum: bigint }>[] = [
    { id: "id", title: "Name", main: true, cell: (row) => row.id },
    { id: "sum", title: "Sum", figure: true, value: (row) => row.sum, cell: (row) => `${row.sum}` },
  ];
  const rows = [
    { id: "b", sum: 9_007_199_254_740_993n },
    { id: "a", sum: 9_007_199_254_740_992n },
  ];
  const names = () => screen.getAllByRole("row").map((row) => row.firstElementChild?.textContent);

  it("is sorted by whole numbers that no float tells apart", () => {
    render(<Table caption="Sums" columns={columns} rows={rows} keyOf={(row) => row.id} sortable />);
    expect(names()).toEqual(["Name", "b", "a"]);
    const orders = { ascending: ["Name", "a", "b"], descending: ["Name", "b", "a"] };
    const seen = [1, 2].map(() => {
      fireEvent.click(screen.getByRole("button", { name: "Sum" }));
      const order = screen.getAllByRole("columnheader")[1]?.getAttribute("aria-sort") as keyof typeof orders;
      expect(names()).toEqual(orders[order]);
      return order;
    });
    expect(seen.sort()).toEqual(["ascending", "descending"]);
  });
  it("names each value for a narrow screen, and goes on by the gateway's pages", () => {
    const more = vi.fn();
    render(<Table caption="Sums" columns={columns} rows={rows} keyOf={(row) => row.id} onMore={more} />);
    expect(screen.getAllByRole("cell").map((cell) => cell.dataset.label)).toEqual(["Name", "Sum", "Name", "Sum"]);
    fireEvent.click(screen.getByRole("button", { name: "Show more" }));
    expect(more).toHaveBeenCalledOnce();
  });
});

describe("fields", () => {
  it("have their label, and say their error where it stands", () => {
    render(<Field label="Amount" error="no number" />);
    const field = screen.getByLabelText("Amount");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(document.getElementById(field.getAttribute("aria-describedby") ?? "")?.textContent).toBe("no number");
  });
  it("of a few choices are radio buttons", () => {
    const chosen = vi.fn();
    render(
      <Segments
        label="Range"
        value="day"
        options={[
          ["day", "Day"],
          ["week", "Week"],
        ]}
        onChange={chosen}
      />,
    );
    fireEvent.click(screen.getByRole("radio", { name: "Week" }));
    expect(chosen).toHaveBeenCalledWith("week");
  });
});

describe("the figures behind a chart", () => {
  it("are made when they are opened", () => {
    const made = vi.fn(() => <p>figures</p>);
    render(<Behind>{made}</Behind>);
    expect(made).not.toHaveBeenCalled();
    const details = screen.getByText("Show as a table").parentElement as HTMLDetailsElement;
    details.open = true;
    fireEvent(details, new Event("toggle"));
    expect(screen.getByText("figures")).toBeTruthy();
  });
});
