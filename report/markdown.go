package report

import (
	"fmt"
	"io"
	"strings"

	"lsat/study"
)

// Markdown writes the results as a Markdown page.
func Markdown(w io.Writer, r *study.Results) error {
	s, err := Summarize(r)
	if err != nil {
		return err
	}
	i := r.Run
	if _, err := fmt.Fprintf(w, "# %s, %s\n\n%d samples in %d periods; %s template; %s.\n\n", i.Data, i.Backbone, i.Samples, i.Periods, i.Template, i.Numerics); err != nil {
		return err
	}
	if err := s.table().markdown(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%s\n\n%s.\n\n", s.notes(r), strings.TrimRight(i.Audit, ".")); err != nil {
		return err
	}
	if text := s.weights(); text != "" {
		if _, err := fmt.Fprintf(w, "%s\n\n", text); err != nil {
			return err
		}
	}
	for _, row := range s.Rows {
		if _, err := fmt.Fprintf(w, "- **%s**: %s\n", row.Name, row.About); err != nil {
			return err
		}
	}
	return s.differences(w)
}

// differences writes the comparison of every period.
func (s *Summary) differences(w io.Writer) error {
	t := table{header: []string{"AUC minus " + s.CompareTo + "'s"}}
	for _, p := range s.Periods {
		t.header = append(t.header, fmt.Sprintf("D%d [95%%], p", p))
	}
	for _, r := range s.Rows {
		if r.Shared == 0 {
			continue
		}
		f := []string{r.Name}
		for _, p := range s.Periods {
			text := "-"
			if e, ok := r.DifferenceIn[p]; ok {
				text = difference(e) + ", " + pValue(e.P())
			}
			f = append(f, text)
		}
		t.rows = append(t.rows, f)
	}
	if len(t.rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return t.markdown(w)
}
