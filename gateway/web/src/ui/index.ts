/** The design system: `import { Button, Card, Page } from "../../ui"`. */

export { Button, ButtonLink, DownloadLink, IconButton } from "./Button";
export { Dialog } from "./Dialog";
export { Badge, Bar, Facts, Figure, Hash, Json, To, type Tone } from "./facts";
export { Choice, Field, Segments, Switch, TextField } from "./fields";
export { Icon, type IconName } from "./icons";
export { joined } from "./joined";
export { Menu, type MenuItem } from "./Menu";
export { Card, Columns, Page } from "./Page";
export { Answer, type Asked, Empty, Failed, Loading, Notice, Offline, problemOf, SkipLink, Stale } from "./states";
export { type Column, Table } from "./Table";
export { type Tab, Tabs } from "./Tabs";
export { type Toast, ToastProvider, useToast } from "./Toasts";
