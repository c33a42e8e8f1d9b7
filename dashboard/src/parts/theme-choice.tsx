import { useState } from 'preact/hooks';
import { setTheme, theme, type Theme } from '../lib/theme';
import { text } from '../texts';

export function ThemeChoice() {
  const [chosen, setChosen] = useState(theme());
  const choose = (value: Theme) => {
    setTheme(value);
    setChosen(value);
  };
  return (
    <select
      class="plain"
      aria-label={text.theme.label}
      title={text.theme.label}
      value={chosen}
      onChange={(event) => choose(event.currentTarget.value as Theme)}
    >
      <option value="auto">{text.theme.auto}</option>
      <option value="light">{text.theme.light}</option>
      <option value="dark">{text.theme.dark}</option>
    </select>
  );
}
