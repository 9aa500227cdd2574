package report

import (
	_ "embed" // the page
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"lsat/study"
)

//go:embed report.html.tmpl
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"auc":   number,
	"at":    func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"plus":  func(v, by float64) float64 { return v + by },
	"short": func(key string) string { return key[:min(12, len(key))] },
	"spec": func(j study.Job) (string, error) {
		b, err := json.MarshalIndent(j.Spec, "", "  ")
		return string(b), err
	},
}).Parse(pageText))

// HTML writes the results as one page that needs nothing else: no other file, no network. Without scripts it shows the same, unsorted.
func HTML(w io.Writer, r *study.Results) error {
	s, err := Summarize(r)
	if err != nil {
		return err
	}
	t := s.table()
	config, err := json.MarshalIndent(r.Run.Config, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = page.Execute(w, map[string]any{
		"Results": r, "Summary": s, "Header": t.header, "Table": t.rows, "Notes": s.notes(r), "Weights": s.weights(), "Figures": s.figures(r), "Config": string(config),
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
