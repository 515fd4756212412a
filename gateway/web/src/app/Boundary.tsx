// What happens when a page itself fails: it says so, the frame stays, and another page is a click away.

import { Component, type ReactNode } from "react";

import { useTexts } from "../i18n";
import { Button, Notice, Page } from "../ui";
import { APP } from "./texts";

/** `at`: where one is; going elsewhere ends the failure. */
export class Boundary extends Component<{ at: string; children: ReactNode }, { error: unknown; at: string }> {
  override state = { error: null as unknown, at: this.props.at };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  static getDerivedStateFromProps(props: { at: string }, state: { error: unknown; at: string }) {
    return props.at === state.at ? null : { error: null, at: props.at };
  }

  override render() {
    return this.state.error === null ? this.props.children : <Broken error={this.state.error} />;
  }
}

function Broken({ error }: { error: unknown }) {
  const t = useTexts(APP);
  return (
    <Page
      title={t.brokenTitle}
      action={
        <Button look="primary" onClick={() => location.reload()}>
          {t.reload}
        </Button>
      }
    >
      <Notice tone="bad" icon="alert" title={t.brokenText}>
        <code className="text-sm">{error instanceof Error ? error.message : String(error)}</code>
      </Notice>
    </Page>
  );
}
