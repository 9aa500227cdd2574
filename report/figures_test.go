package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"lsat/metric"
	"lsat/study"
)

// plotted are results with curves: cold items have no AUC on D3, and the seeds of the ensemble chose different weights for D2.
func plotted() *study.Results {
	r := results()
	r.Run.Config.Strategies = append(r.Run.Config.Strategies, "short-old-1")
	for seed := uint64(1); seed <= 2; seed++ {
		r.Cells = append(r.Cells, study.Cell{Seed: seed, Strategy: "short-old-1", Period: 3, Update: 2, Kind: "single", AUC: metric.Estimate{Value: .61, SE: .02}})
		for p, cold := range map[int]float64{2: .5 + .1*float64(seed), 3: math.NaN()} {
			for g, auc := range map[study.Group]float64{study.Warm: .7, study.Cold: cold} {
				n := 80
				if g == study.Cold {
					n = 20
				}
				r.Curves.Groups = append(r.Curves.Groups, study.GroupCell{Seed: seed, Strategy: "short", Period: p, Group: g, Samples: n,
					AUC: metric.Estimate{Value: auc, SE: .03}})
			}
		}
		r.Curves.Weights = append(r.Curves.Weights, study.WeightCurve{Seed: seed, Strategy: "lsat-ensemble-2", Period: 2, Update: 1, Chosen: .5 * float64(seed),
			Points: []study.WeightPoint{{Weight: 0, ValidAUC: .6, TestAUC: .71}, {Weight: .5, ValidAUC: .65, TestAUC: .72}, {Weight: 1, ValidAUC: .7, TestAUC: .69}}})
	}
	r.Curves.Reliability = []study.Reliability{{Strategy: "means", ECE: .0125, Bins: []metric.Bin{
		{Count: 40, Predicted: .25, Observed: .2, Low: .1, High: .3}, {Count: 60, Predicted: .75, Observed: .8, Low: .6, High: .9}}}}
	return r
}

func pageOf(t *testing.T, r *study.Results) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFiguresSayTheirNumbers(t *testing.T) {
	text := pageOf(t, plotted())
	for _, want := range []string{
		"<h2>Every period&#39;s model on D3</h2>", "<title>trained on D1: 0.6100 [",
		"<title>trained on D2: 0.8200 [", // short on D3, over seeds of .80 and .84
		"<title>lsat-ensemble-2 on D3: 0.8400 [",
		// Cold items: D2 alone, seeds of .6 and .7.
		"<title>short, cold items: 0.6500 [", "; 20 samples, mean over 1 periods</title>", "; 160 samples, mean over 2 periods</title>",
		"(160 tested samples) and cold where it is new since (40)",
		"<h2>Warm items on D3</h2>", "; 80 samples</title>",
		"means (ECE 0.0125)", "<title>predicted 0.250 (0.100 to 0.300), observed 0.200 of 40 samples</title>",
		"<h2>Merge weight of lsat-ensemble-2</h2>", "updated with D1, on D2",
		"<title>weight 0.5: validation AUC 0.6500</title>", "<title>weight 0.5: test AUC 0.7200</title>",
		"<title>0.5 served (seed 1)</title>", "<title>1.0 served (seed 2)</title>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	text, _, _ = strings.Cut(text, "<script>")
	if strings.Contains(text, "NaN") || strings.Contains(text, "ZgotmplZ") {
		t.Error("the page has what is no number, or what its template refused")
	}
	rest, plots := text, 0
	for {
		i, j := strings.Index(rest, "<svg"), strings.Index(rest, "</svg>")
		if i < 0 {
			break
		}
		plots++
		d := xml.NewDecoder(strings.NewReader(rest[i : j+len("</svg>")]))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("plot %d is no XML: %v", plots, err)
			}
		}
		rest = rest[j+len("</svg>"):]
	}
	if plots != 6 {
		t.Errorf("%d plots, want 6", plots)
	}
}

// What a run has no numbers for is left out, not drawn empty.
func TestFiguresWithoutNumbers(t *testing.T) {
	text := pageOf(t, results())
	for _, no := range []string{"Every period", "Warm", "Reliability", "Merge weight"} {
		if strings.Contains(text, "<h2>"+no) {
			t.Errorf("a figure %q of nothing", no)
		}
	}
}

// Marks stand where their axis says.
func TestMarksStandAtTheirValues(t *testing.T) {
	a, ok := newAxis(.613, .687, 100, 0)
	if !ok || a.lo > .613 || a.hi < .687 || a.hi-a.lo > .2 {
		t.Fatalf("axis %+v", a)
	}
	for _, tick := range a.ticks() {
		if tick.At < 0 || tick.At > 100 {
			t.Errorf("tick %q lies outside, at %v", tick.Text, tick.At)
		}
	}
	near(t, "the middle", a.at((a.lo+a.hi)/2), 50)
	if _, ok := newAxis(1, 1, 0, 1); ok {
		t.Error("an axis of one value")
	}
	s, err := Summarize(plotted())
	if err != nil {
		t.Fatal(err)
	}
	f := s.mergeWeights(plotted().Curves.Weights)
	if len(f) != 1 || len(f[0].Charts) != 1 {
		t.Fatalf("figures %+v", f)
	}
	c := f[0].Charts[0]
	valid, test := c.Lines[0].Marks, c.Lines[1].Marks
	near(t, "weight 0", valid[0].X, c.Left)
	near(t, "weight 1", test[2].X, c.Right)
	near(t, "equal steps", valid[0].Y-valid[1].Y, valid[1].Y-valid[2].Y)
	near(t, "a fifth of a step", (test[0].Y-test[1].Y)*5, valid[0].Y-valid[1].Y)
	if !(valid[2].Y < valid[0].Y) {
		t.Error("higher AUCs stand lower")
	}
}
