/** A menu under a button. Not modal: the page goes on to scroll, and nothing writes styles. */

import * as Radix from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./icons";

export interface MenuItem {
  readonly text: string;
  readonly icon?: IconName;
  readonly chosen?: boolean;
  onSelect(): void;
}

export function Menu({ trigger, groups }: { trigger: ReactNode; groups: readonly (readonly MenuItem[])[] }) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="end"
          sideOffset={6}
          collisionPadding={8}
          className="animate-appear z-50 max-h-[80dvh] min-w-52 overflow-auto rounded-xl border border-line bg-surface p-1.5 shadow-lift"
        >
          {groups.map((items, at) => (
            <Radix.Group
              key={items[0]?.text ?? at}
              className="border-line not-first:mt-1.5 not-first:border-t not-first:pt-1.5"
            >
              {items.map((item) => (
                <Radix.Item
                  key={item.text}
                  onSelect={item.onSelect}
                  className="flex min-h-10 cursor-pointer items-center gap-2.5 rounded-lg px-3 py-1.5 outline-none data-highlighted:bg-accent-soft"
                >
                  {item.icon && <Icon name={item.icon} className="size-4.5" />}
                  <span className="grow">{item.text}</span>
                  {item.chosen && <Icon name="check" className="size-4" />}
                </Radix.Item>
              ))}
            </Radix.Group>
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
