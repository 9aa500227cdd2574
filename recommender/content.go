package recommender

import (
	"maps"
	"math"
	"strings"
	"unicode"

	"lsat/dataset"
)

// bagSize is how many words are taken of an item at most.
const bagSize = 16

// content is what is known of items without any rating, as bags of words: those of the title without its year, the decade of the year, and the
// categories. A word that stands with one item only would be that item's number and is left out; row 0 belongs to no word and is padding.
type content struct {
	// row numbers the words.
	row map[string]int32
	// bags holds bagSize rows an item, and weights their weights: 1 over the root of how many the item has, 0 for padding.
	bags    []int32
	weights []float32
}

// words is the number of rows, padding's among them.
func (c *content) words() int { return len(c.row) + 1 }

// contentOf reads the items of a set. Words keep the rows that they had before.
func contentOf(set *dataset.Set, before map[string]int32) *content {
	lists := make([][]string, len(set.Items))
	items := map[string]int{}
	for i, item := range set.Items {
		lists[i] = wordsOf(item)
		for _, w := range lists[i] {
			items[w]++
		}
	}
	c := &content{row: maps.Clone(before), bags: make([]int32, bagSize*len(lists)), weights: make([]float32, bagSize*len(lists))}
	if c.row == nil {
		c.row = map[string]int32{}
	}
	for i, list := range lists {
		bag := c.bags[i*bagSize : i*bagSize : (i+1)*bagSize]
		for _, w := range list {
			if items[w] < 2 || len(bag) == bagSize {
				continue
			}
			if c.row[w] == 0 {
				c.row[w] = int32(c.words())
			}
			bag = append(bag, c.row[w])
		}
		for k := range bag {
			c.weights[i*bagSize+k] = float32(1 / math.Sqrt(float64(len(bag))))
		}
	}
	return c
}

// wordsOf lists an item's words, each once, categories first: they say most.
func wordsOf(item dataset.Item) []string {
	var out []string
	has := map[string]bool{}
	add := func(w string) {
		if !has[w] {
			has[w] = true
			out = append(out, w)
		}
	}
	for _, c := range item.Categories {
		add("category " + c)
	}
	name, year := dataset.SplitYear(item.Title)
	if len(year) >= 4 {
		add("decade " + year[:3])
	}
	for _, w := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		add(w)
	}
	return out
}
