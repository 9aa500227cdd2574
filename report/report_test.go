package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"lsat/metric"
	"lsat/study"
)

// results are two strategies with two seeds and a reference over two periods; "full" covers the first only.
func results() *study.Results {
	nan := math.NaN()
	r := &study.Results{Run: study.RunInfo{
		Config: study.Config{Strategies: []string{"short", "full", "lsat-ensemble-2"}, References: []string{"means"}, Seeds: []uint64{1, 2}, LongPeriods: 2,
			Periods: study.Periods{First: 2, Last: 3}},
		Data: `<b>set|"1"</b>`, Backbone: "model", CompareTo: "lsat-ensemble-2", Complete: true, Audit: "leakage audit: no leak",
	}}
	cell := func(name string, seed uint64, p int, auc, se float64) {
		r.Cells = append(r.Cells, study.Cell{Seed: seed, Strategy: name, Reference: seed == 0, Period: p, Update: p - 1, Kind: "single", Weight: nan, ValidAUC: .5,
			Samples: 100, Liked: 50, AUC: metric.Estimate{Value: auc, SE: se}, UserAUC: auc, LogLoss: .6, ECE: .1})
	}
	for _, c := range []struct {
		name    string
		seed    uint64
		d2, d3  float64
		onlyOne bool
	}{{"short", 1, .70, .80, false}, {"short", 2, .74, .84, false}, {"full", 1, .75, 0, true}, {"full", 2, .75, 0, true},
		{"lsat-ensemble-2", 1, .72, .82, false}, {"lsat-ensemble-2", 2, .76, .86, false}, {"means", 0, .6, .7, false}} {
		cell(c.name, c.seed, 2, c.d2, .03)
		if !c.onlyOne {
			cell(c.name, c.seed, 3, c.d3, .04)
		}
		r.Curves.Pooled = append(r.Curves.Pooled, study.Pooled{Seed: c.seed, Strategy: c.name, AUC: metric.Estimate{Value: c.d2 - .01, SE: .02}})
	}
	// The seeds of the ensemble chose .2 and .3 for D2, .5 for D3.
	for i, w := range map[int]float64{6: .2, 7: .5, 8: .3, 9: .5} {
		r.Cells[i].Weight = w
	}
	cmp := func(name string, seed uint64, p, n int, d, se float64) {
		e := metric.Estimate{Value: d, SE: se}
		low, high := e.Interval(.95)
		row := study.Comparison{Seed: seed, Strategy: name, Reference: "lsat-ensemble-2", Period: p, Periods: n, Difference: d, SE: se, Low: low, High: high,
			P: e.P(), UserSE: nan, UserLow: nan, UserHigh: nan, UserP: nan}
		if p < 0 { // users whose samples agree make half as much again of the error
			by := metric.Estimate{Value: d, SE: 1.5 * se}
			row.UserSE, row.UserP = by.SE, by.P()
			row.UserLow, row.UserHigh = by.Interval(.95)
		}
		r.Comparisons = append(r.Comparisons, row)
	}
	for seed := uint64(1); seed <= 2; seed++ {
		cmp("short", seed, -1, 2, -.02, .01)
		cmp("short", seed, 2, 1, -.02, .014)
		cmp("full", seed, -1, 1, .03, .01)
		cmp("means", seed, -1, 2, -.12, .02)
	}
	return r
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestSummarize(t *testing.T) {
	s, err := Summarize(results())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range s.Rows {
		names = append(names, r.Name)
	}
	if got := strings.Join(names, " "); got != "short full lsat-ensemble-2 means" {
		t.Fatalf("rows %s", got)
	}
	short, full, ensemble, means := s.Rows[0], s.Rows[1], s.Rows[2], s.Rows[3]
	near(t, "short on D2", short.Period[2].Value, .72)
	near(t, "short's mean", short.Mean.Value, .77)
	// Two periods of one seed: sqrt(.03²+.04²)/2 = .025. Two seeds whose means are .75 and .79: variance .0008, half of it each.
	near(t, "short's standard error", short.Mean.SE, math.Sqrt(.025*.025+.0008/2))
	near(t, "a reference's standard error", means.Mean.SE, .025)
	near(t, "short's difference", short.Difference.Value, -.02)
	near(t, "its standard error, the seeds agreeing", short.Difference.SE, .01)
	if full.Covered != 1 || full.Shared != 1 || ensemble.Shared != 0 || short.Shared != 2 {
		t.Errorf("coverage: full %d, shared %d; ensemble shared %d; short shared %d", full.Covered, full.Shared, ensemble.Shared, short.Shared)
	}
	// Holm over three: the smallest p times 3, the next times 2, the largest as it is.
	near(t, "its standard error by users", short.ByUsers.SE, .015)
	near(t, "Holm of short", short.Holm, short.ByUsers.P())
	near(t, "Holm of full", full.Holm, 2*full.ByUsers.P())
	near(t, "Holm of means", means.Holm, 3*means.ByUsers.P())
}

func TestTextMarksWhatIsNotComparable(t *testing.T) {
	var b bytes.Buffer
	r := results()
	r.Run.Complete = false
	r.Run.Config.MaxTestPerPeriod = 100
	if err := Text(&b, r); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if !strings.Contains(lines[2], "full") || !strings.Contains(lines[2], "of 1") || strings.Count(lines[2], " - ") != 1 {
		t.Errorf("the row of full does not say that it covers one period: %q", lines[2])
	}
	if !strings.Contains(b.String(), "NOT complete") || !strings.Contains(b.String(), "test 100") || !strings.Contains(b.String(), "2 seeds") {
		t.Errorf("notes: %s", b.String())
	}
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := CSV(&b, results()); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll() // refuses lines of different length
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 4 + 2 + 4 + 2 + 4 + 4; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	at := map[string]int{}
	for i, h := range lines[0] {
		at[h] = i
	}
	first := lines[1]
	if first[at["strategy"]] != "short" || first[at["seed"]] != "1" || first[at["period"]] != "2" || first[at["auc"]] != "0.7" || first[at["difference"]] != "-0.02" {
		t.Errorf("first line %v", first)
	}
	pooled := 0
	for _, l := range lines[1:] {
		if l[at["strategy"]] == "short" && l[at["period"]] == "pooled" {
			pooled++
			if l[at["seed"]] != "all" || l[at["auc"]] != "0.71" || l[at["auc_low"]] == "" || l[at["log_loss"]] != "" {
				t.Errorf("pooled line %v", l)
			}
		}
		if l[at["strategy"]] == "means" && l[at["period"]] == "2" && (l[at["seed"]] != "" || l[at["difference"]] != "") {
			t.Errorf("a reference has no seed, and two comparisons: %v", l)
		}
	}
	if pooled != 1 {
		t.Errorf("%d pooled lines of short", pooled)
	}
}

func TestMarkdownTable(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, results()); err != nil {
		t.Fatal(err)
	}
	bars := 0
	for _, l := range strings.Split(b.String(), "\n") {
		if !strings.HasPrefix(l, "| ") {
			bars = 0
			continue
		}
		n := strings.Count(l, "|") - strings.Count(l, `\|`)
		if bars != 0 && n != bars {
			t.Errorf("%d bars after lines of %d: %s", n, bars, l)
		}
		bars = n
	}
	if want := "Weight of the long-term part: lsat-ensemble-2: D2 0.25, D3 0.50."; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in %s", want, b.String())
	}
	if !strings.Contains(b.String(), "- **short**: a new adapter on D_t only") {
		t.Error("the rows are not defined")
	}
}

func TestCoefficientsAreAveragedOverSeeds(t *testing.T) {
	r := results()
	for i, c := range r.Cells {
		if c.Strategy == "lsat-ensemble-2" && c.Period == 3 {
			r.Cells[i].Coefficients = []study.Coefficient{{Part: "intercept", Value: -.25}, {Part: "prior", Value: float64(c.Seed)}}
		}
	}
	var b bytes.Buffer
	if err := Markdown(&b, r); err != nil {
		t.Fatal(err)
	}
	if want := "Coefficients of lsat-ensemble-2: D3 intercept -0.25, prior 1.50."; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in %s", want, b.String())
	}
}

// One seed's stack may have a gate where another's has none.
func TestCoefficientsOfOneGateOfTwo(t *testing.T) {
	plain := []study.Coefficient{{Part: "prior", Value: 1}, {Part: "long", Value: .5}}
	gated := []study.Coefficient{{Part: "prior", Value: .8}, {Part: "long", Value: .1}, {Part: "long", Value: .3, By: "pause"}}
	for _, seeds := range [][][]study.Coefficient{{plain, gated}, {gated, plain}} {
		if got := study.CoefficientsText(meanCoefficients(seeds)); got != "prior 0.90, long 0.30, long by pause 0.15" {
			t.Errorf("%s", got)
		}
	}
}

func TestLaTeXTable(t *testing.T) {
	var b bytes.Buffer
	if err := LaTeX(&b, results()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	lines := 0
	for _, l := range strings.Split(text, "\n") {
		if strings.HasSuffix(l, `\\`) {
			lines++
			if n := strings.Count(l, "&") - strings.Count(l, `\&`); n != 11 {
				t.Errorf("%d fields in %q", n+1, l)
			}
		}
	}
	if lines != 5 {
		t.Errorf("%d lines in the table, want a head and four rows", lines)
	}
	for _, want := range []string{`\textless{}b\textgreater{}set|`, `[95\% by users]`, "\\midrule\nmeans &", "{lrrrrrrrrrrr}"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestHTMLStandsAlone(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, results()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, bad := range []string{"http://", "https://", "src=", "<link", "@import", "url(", "<b>set"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(text, "<title>means on D3: 0.7000 [0.6216, 0.7784]</title>") {
		t.Error("a point does not say what it is")
	}
	if n := strings.Count(text, "<polyline"); n != 4 {
		t.Errorf("%d lines plotted, want 4", n)
	}
	if n := strings.Count(text, "<circle"); n != 7 {
		t.Errorf("%d points plotted, want 7: one for each row and period that there is", n)
	}
	i, j := strings.Index(text, "<svg"), strings.Index(text, "</svg>")
	if i < 0 || j < i {
		t.Fatal("no plot")
	}
	d := xml.NewDecoder(strings.NewReader(text[i : j+len("</svg>")]))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
	}
}

func TestEmptyResults(t *testing.T) {
	r := &study.Results{}
	for _, write := range []func(io.Writer, *study.Results) error{Markdown, CSV, LaTeX, HTML, Text} {
		if err := write(io.Discard, r); err != nil {
			t.Error(err)
		}
	}
}
