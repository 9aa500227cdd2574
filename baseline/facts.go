package baseline

import (
	"math"
	"slices"
	"strconv"

	"lsat/dataset"
)

// eraYears is how many years of release make an era.
const eraYears = 5

// facts are what is known of items without any rating: their genres and the years in their titles. Genres and eras are both attributes,
// numbered together in the order in which the items bring them up.
type facts struct {
	// genres are each item's genres, ascending.
	genres [][]int32
	// year is each item's year of release, 0 where its title has none.
	year []int
	// era is the attribute of each item's era; the items without a year share one.
	era []int32
	// attributes is how many there are.
	attributes int
}

func factsOf(set *dataset.Set) *facts {
	f := &facts{genres: make([][]int32, len(set.Items)), year: make([]int, len(set.Items)), era: make([]int32, len(set.Items))}
	genres, eras := map[string]int32{}, map[int]int32{}
	for i, item := range set.Items {
		for _, name := range item.Categories {
			f.genres[i] = append(f.genres[i], numbered(genres, name, &f.attributes))
		}
		slices.Sort(f.genres[i])
		f.genres[i] = slices.Compact(f.genres[i])
		if _, year := dataset.SplitYear(item.Title); year != "" {
			f.year[i], _ = strconv.Atoi(year[:4]) // of a span, the first; SplitYear has seen that these are digits
		}
		f.era[i] = numbered(eras, f.year[i]/eraYears, &f.attributes)
	}
	return f
}

// numbered returns the number of a key, the next free one for a new key.
func numbered[K comparable](numbers map[K]int32, key K, next *int) int32 {
	n, ok := numbers[key]
	if !ok {
		n = int32(*next)
		numbers[key] = n
		*next++
	}
	return n
}

// sharedGenres is the cosine between the genres of two items: the number of shared ones over the geometric mean of how many each has, 0 for an
// item without genres.
func (f *facts) sharedGenres(a, b int32) float64 {
	x, y := f.genres[a], f.genres[b]
	shared := 0
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] < y[j]:
			i++
		case x[i] > y[j]:
			j++
		default:
			shared++
			i++
			j++
		}
	}
	if shared == 0 {
		return 0
	}
	return float64(shared) / math.Sqrt(float64(len(x))*float64(len(y)))
}
