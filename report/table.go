package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"lsat/metric"
	"lsat/study"
)

const level = .95

// table is a summary as text: a header and rows of equally many fields.
type table struct {
	header []string
	rows   [][]string
}

// table writes the fields of the summary. Values are AUC unless the header says otherwise.
func (s *Summary) table() table {
	t := table{header: []string{"strategy"}}
	for _, p := range s.Periods {
		t.header = append(t.header, fmt.Sprintf("D%d", p))
	}
	t.header = append(t.header, "mean AUC [95%]", "pooled AUC", "user AUC", "log-loss", "ECE", "vs "+s.CompareTo+" [95% by users]", "p (DeLong)", "p (users)", "p (Holm)")
	for _, r := range s.Rows {
		f := []string{r.Name}
		for _, p := range s.Periods {
			e, ok := r.Period[p]
			if !ok {
				e.Value = math.NaN()
			}
			f = append(f, number(e.Value))
		}
		f = append(f, s.mean(r), number(r.Pooled.Value), number(r.UserAUC), number(r.LogLoss), number(r.ECE))
		if r.Shared == 0 {
			f = append(f, "", "", "", "")
		} else {
			f = append(f, s.difference(r), pValue(r.Difference.P()), pValue(r.ByUsers.P()), pValue(r.Holm))
		}
		t.rows = append(t.rows, f)
	}
	return t
}

// mean is the mean AUC with its interval, marked where the row covers fewer periods than the table has.
func (s *Summary) mean(r Row) string {
	if math.IsNaN(r.Mean.Value) {
		return "-"
	}
	low, high := r.Mean.Interval(level)
	text := fmt.Sprintf("%s [%s, %s]", number(r.Mean.Value), number(low), number(high))
	if r.Covered < len(s.Periods) {
		text += fmt.Sprintf(" of %d", r.Covered)
	}
	return text
}

func (s *Summary) difference(r Row) string {
	text := difference(r.ByUsers)
	if r.Shared < len(s.Periods) {
		text += fmt.Sprintf(" of %d", r.Shared)
	}
	return text
}

func difference(e metric.Estimate) string {
	low, high := e.Interval(level)
	return fmt.Sprintf("%+.4f [%+.4f, %+.4f]", e.Value, low, high)
}

func number(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.4f", v)
}

func pValue(p float64) string {
	switch {
	case math.IsNaN(p):
		return "-"
	case p < .0001:
		return "<.0001"
	}
	return fmt.Sprintf("%.4f", p)
}

// text writes the table with aligned columns.
func (t table) text(w io.Writer) error {
	width := make([]int, len(t.header))
	all := append([][]string{t.header}, t.rows...)
	for _, row := range all {
		for i, f := range row {
			width[i] = max(width[i], utf8.RuneCountInString(f))
		}
	}
	for _, row := range all {
		var b strings.Builder
		for i, f := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(f))
			switch i {
			case 0:
				b.WriteString(f + pad)
			default:
				b.WriteString("  " + pad + f)
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// markdown writes the table as a Markdown table.
func (t table) markdown(w io.Writer) error {
	line := func(fields []string) error {
		for i, f := range fields {
			fields[i] = strings.ReplaceAll(f, "|", `\|`)
		}
		_, err := fmt.Fprintf(w, "| %s |\n", strings.Join(fields, " | "))
		return err
	}
	if err := line(t.header); err != nil {
		return err
	}
	rule := make([]string, len(t.header))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	if err := line(rule); err != nil {
		return err
	}
	for _, r := range t.rows {
		if err := line(r); err != nil {
			return err
		}
	}
	return nil
}

// Text writes the table for a terminal.
func Text(w io.Writer, r *study.Results) error {
	s, err := Summarize(r)
	if err != nil {
		return err
	}
	if err := s.table().text(w); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, s.notes(r))
	return err
}

// weights says which weights were chosen and which coefficients fitted, or nothing where none was.
func (s *Summary) weights() string {
	var rows, stacks []string
	for _, r := range s.Rows {
		var in []string
		for _, p := range s.Periods {
			if w, ok := r.Weight[p]; ok {
				in = append(in, fmt.Sprintf("D%d %.2f", p, w))
			}
		}
		if len(in) > 0 {
			rows = append(rows, r.Name+": "+strings.Join(in, ", "))
		}
	}
	for _, r := range s.Rows {
		var in []string
		for _, p := range s.Periods {
			if cs, ok := r.Coefficients[p]; ok {
				in = append(in, fmt.Sprintf("D%d %s", p, study.CoefficientsText(cs)))
			}
		}
		if len(in) > 0 {
			stacks = append(stacks, r.Name+": "+strings.Join(in, "; "))
		}
	}
	var text []string
	if len(rows) > 0 {
		text = append(text, "Weight of the long-term part: "+strings.Join(rows, "; ")+".")
	}
	if len(stacks) > 0 {
		text = append(text, "Coefficients of "+strings.Join(stacks, ". Of ")+".")
	}
	return strings.Join(text, " ")
}

// notes says what the numbers of the table are.
func (s *Summary) notes(r *study.Results) string {
	var b strings.Builder
	seeds := "one seed"
	if s.Seeds > 1 {
		seeds = fmt.Sprintf("means over %d seeds", s.Seeds)
	}
	fmt.Fprintf(&b, "AUC on the whole of each test period, by models updated with the period before; %s; intervals of an AUC and the first p by DeLong's test, of differences by a paired bootstrap of whole users, over which Holm corrects", seeds)
	if c := r.Run.Config; c.MaxTestPerPeriod > 0 || c.MaxTrainPerPeriod > 0 || c.MaxLongSamples > 0 || c.MaxValidPerPeriod > 0 {
		b.WriteString("; samples are capped (")
		var caps []string
		for _, n := range []struct {
			what string
			n    int
		}{
			{"test", c.MaxTestPerPeriod}, {"train", c.MaxTrainPerPeriod}, {"validation", c.MaxValidPerPeriod}, {"long jobs", c.MaxLongSamples},
		} {
			if n.n > 0 {
				caps = append(caps, fmt.Sprintf("%s %d", n.what, n.n))
			}
		}
		b.WriteString(strings.Join(caps, ", ") + ")")
	}
	b.WriteString(".")
	if !r.Run.Complete {
		b.WriteString(" The study is NOT complete.")
	}
	return b.String()
}
