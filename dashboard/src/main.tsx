import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/table.css';
import './styles/parts.css';
import { start } from './start';
import { applyTheme } from './lib/theme';

applyTheme();
const root = document.getElementById('page')!;
void start((view) => render(view, root));
