package dataset_test

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lsat/dataset"
)

func TestNaturalTitle(t *testing.T) {
	for published, want := range map[string]string{
		"Matrix, The (1999)":                "The Matrix (1999)",
		"Toy Story (1995)":                  "Toy Story (1995)",
		"Bug's Life, A (1998)":              "A Bug's Life (1998)",
		"Enfer, L' (1994)":                  "L'Enfer (1994)",
		"City of Lost Children, The (1995)": "The City of Lost Children (1995)",
		"City of Lost Children, The (Cité des enfants perdus, La) (1995)": "The City of Lost Children (La Cité des enfants perdus) (1995)",
		"Postino, Il (Postman, The) (1994)":                               "Il Postino (The Postman) (1994)",
		"Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)":            "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)",
		"Seven (a.k.a. Se7en, The) (1995)":                                "Seven (a.k.a. The Se7en) (1995)",
		"Paris, Texas (1984)":                                             "Paris, Texas (1984)",
		"Girl, Interrupted (1999)":                                        "Girl, Interrupted (1999)",
		"Good, the Bad and the Ugly, The (1966)":                          "The Good, the Bad and the Ugly (1966)",
		"Matrix, The":                                                     "The Matrix",
		"Odd (one, The":                                                   "Odd (one, The",
		", The (2000)":                                                    ", The (2000)",
		"":                                                                "",
	} {
		if got := dataset.NaturalTitle(published); got != want {
			t.Errorf("NaturalTitle(%q) = %q, want %q", published, got, want)
		}
	}
}

func TestSplitYear(t *testing.T) {
	for _, c := range []struct{ title, name, year string }{
		{"The Matrix (1999)", "The Matrix", "1999"},
		{"Ready Player One", "Ready Player One", ""},
		{"Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", "2006–2007"},
		{"Serial (2010-)", "Serial", "2010-"},
		{"2001: A Space Odyssey (1968)", "2001: A Space Odyssey", "1968"},
		{"Assembly (Ji jie hao) (2007) ", "Assembly (Ji jie hao)", "2007"},
		{"Shanghai Triad (Yao a yao)", "Shanghai Triad (Yao a yao)", ""},
		{"Zoo (9999)", "Zoo (9999)", ""},
		{"(1999)", "", "1999"},
		{"Broken 1999)", "Broken 1999)", ""},
		{"Half (19999)", "Half (19999)", ""},
	} {
		name, year := dataset.SplitYear(c.title)
		if name != c.name || year != c.year {
			t.Errorf("SplitYear(%q) = %q, %q; want %q, %q", c.title, name, year, c.name, c.year)
		}
	}
}

// letters counts what moving an article must not change.
func letters(s string) map[rune]int {
	n := map[rune]int{}
	for _, r := range s {
		if r != ' ' && r != ',' {
			n[r]++
		}
	}
	return n
}

func sameLetters(a, b string) bool {
	x, y := letters(a), letters(b)
	if len(x) != len(y) {
		return false
	}
	for r, n := range x {
		if y[r] != n {
			return false
		}
	}
	return true
}

func TestNaturalTitleLosesNothing(t *testing.T) {
	word := rapid.SampledFrom([]string{"Matrix", ", The", ", L'", ", A", " (", ")", "((", " ", "(1999)", "a.k.a. ", ",", "é"})
	rapid.Check(t, func(t *rapid.T) {
		title := strings.Join(rapid.SliceOfN(word, 0, 8).Draw(t, "title"), "")
		if got := dataset.NaturalTitle(title); !sameLetters(got, title) {
			t.Fatalf("NaturalTitle(%q) = %q", title, got)
		}
	})
}

func TestNaturalTitleOfPublishedTitles(t *testing.T) {
	set, err := dataset.Open(context.Background(), shared(t, "ml-1m"), dataset.Options{Unrated: true})
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for _, it := range set.Items {
		natural := dataset.NaturalTitle(it.Title)
		if !sameLetters(natural, it.Title) {
			t.Errorf("%q became %q", it.Title, natural)
		}
		if again := dataset.NaturalTitle(natural); again != natural {
			t.Errorf("%q became %q and then %q", it.Title, natural, again)
		}
		if strings.Contains(natural, ", The (") {
			t.Errorf("%q is still %q", it.Title, natural)
		}
		if natural != it.Title {
			moved++
		}
	}
	// grep -cE ", (The|A|…)( \\(|\\))" movies.dat, with the articles above.
	if moved != 927 {
		t.Errorf("%d of %d titles changed, want 927", moved, len(set.Items))
	}
}
