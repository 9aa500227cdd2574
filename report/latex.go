package report

import (
	"fmt"
	"io"
	"strings"

	"lsat/study"
)

// inLaTeX escapes what LaTeX reads as more than itself.
var inLaTeX = strings.NewReplacer(`\`, `\textbackslash{}`, `{`, `\{`, `}`, `\}`, `%`, `\%`, `&`, `\&`, `$`, `\$`, `#`, `\#`, `_`, `\_`,
	`~`, `\textasciitilde{}`, `^`, `\textasciicircum{}`, `<`, `\textless{}`, `>`, `\textgreater{}`, `"`, `\textquotedbl{}`)

// LaTeX writes the table as a floating table for a paper. It needs the package booktabs.
func LaTeX(w io.Writer, r *study.Results) error {
	s, err := Summarize(r)
	if err != nil {
		return err
	}
	t := s.table()
	var b strings.Builder
	line := func(fields []string) {
		escaped := make([]string, len(fields))
		for i, f := range fields {
			escaped[i] = inLaTeX.Replace(f)
		}
		b.WriteString(strings.Join(escaped, " & ") + ` \\` + "\n")
	}
	fmt.Fprintf(&b, "%% needs \\usepackage{booktabs}\n\\begin{table}\n\\caption{%s, %s. %s}\n\\begin{tabular}{l%s}\n\\toprule\n",
		inLaTeX.Replace(r.Run.Data), inLaTeX.Replace(r.Run.Backbone), inLaTeX.Replace(s.notes(r)), strings.Repeat("r", len(t.header)-1))
	line(t.header)
	b.WriteString("\\midrule\n")
	for i, f := range t.rows {
		if i > 0 && s.Rows[i].Reference && !s.Rows[i-1].Reference {
			b.WriteString("\\midrule\n")
		}
		line(f)
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n\\end{table}\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
