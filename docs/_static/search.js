// How the search orders what it finds (html_search_scorer). Pages for contributors come last: they
// name everything, and of pages of equal rank, Architecture would be the first.
// `var`, because the theme loads this twice.
var Scorer = {
  forContributors: /^(architecture|changelog|contributing|guarantees|project|security|decisions\/)/,
  score: ([page, title, anchor, description, score]) => {
    if (Scorer.forContributors.test(page)) return score - 20;
    return page.includes("/") ? score : score + 2;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
